"""probe.py on files of embeddings with layers and time."""

import csv

import numpy as np
import pytest

from musicssl.datasets.formats.embeddings_file import read_embeddings
from musicssl.errors import InputError
from musicssl.runs.probes.table import show_probe
from tests.support.probing_command import run
from tests.support.tiny import Tiny

SMALL = (
    "data.p_s=[0.1,1]",
    "seeds=2",
    "probe.strengths=[0.01,1,100]",
    "dataset=tiny",
    "baselines=[]",
)
NAMES = ["in", "mid", "out"]


@pytest.fixture(scope="module")
def arrays():
    """Three layers of the clips of tiny: noise, the labels with noise, the labels with less."""
    corpus = Tiny().load()
    rng = np.random.default_rng(0)
    y = np.where(corpus.mask, corpus.y, 0) @ rng.standard_normal((corpus.y.shape[1], 6))
    noise = rng.standard_normal((len(y), 3, 6))
    h = np.stack([noise[:, 0], y + 2 * noise[:, 1], y + 0.7 * noise[:, 2]], axis=1)
    return {"embeddings": h.astype(np.float32), "clip_ids": corpus.clip_ids}


@pytest.fixture(scope="module")
def path(arrays, tmp_path_factory):
    file = tmp_path_factory.mktemp("file") / "layers.npz"
    np.savez(file, **arrays, layers=NAMES)
    return file


@pytest.fixture(scope="module")
def each(path, tmp_path_factory):
    return run(tmp_path_factory.mktemp("each") / "probe", f"embeddings={path}", *SMALL)


def table(folder):
    with folder.layers.open(newline="") as file:
        return list(csv.DictReader(file))


def one_layer(arrays, path, layer, **changes):
    np.savez(path, **arrays | {"embeddings": arrays["embeddings"][:, layer]} | changes)
    return path


@pytest.mark.slow
def test_every_layer_is_what_a_file_with_that_layer_alone_is(each, arrays, tmp_path):
    for layer, name in enumerate(NAMES):
        alone = one_layer(arrays, tmp_path / f"{name}.npz", layer)
        expected = run(tmp_path / name / "probe", f"embeddings={alone}", *SMALL).document()
        rows = [row for row in table(each) if row["name"] == name]
        assert [float(row["p_s"]) for row in rows] == [f["p_s"] for f in expected["fits"]]
        for row, fit in zip(rows, expected["fits"], strict=True):
            assert float(row["val_loss"]) == pytest.approx(fit["val_loss"], rel=1e-6)
            assert float(row["auroc"]) == pytest.approx(fit["macro"]["auroc"], rel=1e-6)


def test_the_layer_is_chosen_on_validation_for_each_draw(each):
    rows, fits = table(each), each.document()["fits"]
    assert len(rows) == 3 * len(fits)
    for number, fit in enumerate(fits):
        of_draw = rows[number :: len(fits)]
        losses = [float(row["val_loss"]) for row in of_draw]
        assert fit["chosen"]["layer"] == int(np.argmin(losses))
        assert fit["val_loss"] == min(losses)
        assert [row["chosen"] for row in of_draw] == [
            str(int(i == np.argmin(losses))) for i in range(3)
        ]
        best = of_draw[int(np.argmin(losses))]
        assert fit["macro"]["auroc"] == pytest.approx(float(best["auroc"]))
    assert fits[-1]["chosen"]["layer"] == 2


@pytest.mark.slow
def test_test_labels_do_not_change_the_choice(each, arrays, tmp_path):
    """With other embeddings of test clips all is chosen as before, though they score otherwise."""
    h = arrays["embeddings"].copy()
    test = Tiny().load().split == "test"
    h[test] = h[test][:, ::-1]  # the last layer knows nothing of the test clips
    np.savez(tmp_path / "h.npz", **arrays | {"embeddings": h}, layers=NAMES)
    document = run(tmp_path / "probe", f"embeddings={tmp_path / 'h.npz'}", *SMALL).document()
    before = each.document()
    assert [f["chosen"] for f in document["fits"]] == [f["chosen"] for f in before["fits"]]
    assert document["macro"]["auroc"] < before["macro"]["auroc"] - 0.1


def test_layers_are_shown_with_the_draws_that_chose_them(each, capsys):
    layers = each.document()["layers"]
    assert layers["names"] == NAMES
    assert [sum(cell["chosen"]) for cell in layers["cells"]] == [2, 1]  # all labels are one draw
    show_probe(each)
    out = capsys.readouterr().out
    assert "layer, strength chosen on" in out
    assert "AUROC of each layer" in out
    last = layers["cells"][-1]["mean"][2]
    assert f"{last:.3f} (1)" in out


@pytest.mark.pictures
def test_a_picture_has_the_score_of_each_layer(each):
    assert (each.figures / "layers.png").is_file()


def test_learnt_weights_are_reported(path, tmp_path, capsys):
    folder = run(tmp_path / "w", f"embeddings={path}", *SMALL, "probe=weighted_layers")
    document = folder.document()
    for cell in document["layers"]["cells"]:
        assert sum(cell["weight"]) == pytest.approx(1)
    assert np.argmax(document["layers"]["cells"][-1]["weight"]) == 2
    weights = [float(row["weight"]) for row in table(folder)]
    assert sum(weights) == pytest.approx(len(document["fits"]))
    show_probe(folder)
    assert "Weights of the layers" in capsys.readouterr().out


@pytest.mark.slow
def test_one_layer_and_all_side_by_side(path, arrays, tmp_path):
    h = arrays["embeddings"]
    for typed, expected in [("mid", h[:, 1]), ("-1", h[:, 2]), ("all", h.reshape(len(h), -1))]:
        np.savez(tmp_path / f"{typed}.npz", **arrays | {"embeddings": expected})
        a = run(tmp_path / typed / "a", f"embeddings={path}", f"layers={typed}", *SMALL)
        b = run(tmp_path / typed / "b", f"embeddings={tmp_path / typed}.npz", *SMALL)
        assert a.document()["fits"] == b.document()["fits"]
        assert "layers" not in a.document()
        assert a.document()["source"]["label"].startswith("layers.npz, ")


def test_instances_are_averaged(path, each, arrays, tmp_path):
    """The same clips as instances around their means, with padding that is no zero."""
    h = arrays["embeddings"][:, :, None]
    offset = np.random.default_rng(1).standard_normal(h.shape).astype(np.float32)
    instances = np.concatenate([h + offset, h - offset, np.full_like(h, 7)], axis=2)
    lengths = np.full(len(h), 2)
    np.savez(
        tmp_path / "t.npz",
        **arrays | {"embeddings": instances},
        layers=NAMES,
        lengths=lengths,
    )
    document = run(tmp_path / "probe", f"embeddings={tmp_path / 't.npz'}", *SMALL).document()
    for found, expected in zip(document["fits"], each.document()["fits"], strict=True):
        assert found["chosen"] == expected["chosen"]
        assert found["macro"]["auroc"] == pytest.approx(expected["macro"]["auroc"], abs=2e-3)


def test_saved_again_a_file_has_labels_splits_and_layers(path, arrays, tmp_path):
    saved = tmp_path / "again.parquet"
    run(tmp_path / "a", f"embeddings.file={path}", f"embeddings.save={saved}", *SMALL)
    read = read_embeddings(saved)
    assert read.layers.tolist() == NAMES
    np.testing.assert_array_equal(read.embeddings, arrays["embeddings"])
    assert set(read.split) == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("layers=up",), r"layers\.npz has no layer 'up' \(layers\); it has in, mid, out"),
        (("layers=[0,1]",), "layers must be a word such as each"),
        (("layers=mid", "probe=weighted_layers"), "needs embeddings with layers, and layers.npz"),
    ],
)
def test_layers_that_cannot_be_are_named(path, tmp_path, overrides, message):
    with pytest.raises(InputError, match=message):
        run(tmp_path / "probe", f"embeddings={path}", *SMALL, *overrides)


def test_an_encoder_has_no_layers_to_choose_from(tmp_path):
    with pytest.raises(InputError, match=r"layers=2 chooses layers of embeddings=FILE"):
        run(tmp_path / "probe", "encoder=att", *SMALL, "layers=2")


def test_several_files_are_probed_side_by_side(arrays, tmp_path):
    """As one file with the features of both, which the files have in another order of clips."""
    one_layer(arrays, tmp_path / "a.npz", 0)
    turned = {name: array[::-1] for name, array in arrays.items()}
    one_layer(turned, tmp_path / "b.npz", 1)
    joined = np.concatenate([arrays["embeddings"][:, 0], arrays["embeddings"][:, 1]], axis=1)
    np.savez(tmp_path / "joined.npz", **arrays | {"embeddings": joined})
    files = f"embeddings.file=[{tmp_path / 'a.npz'},{tmp_path / 'b.npz'}]"
    found = run(tmp_path / "several" / "probe", files, *SMALL)
    expected = run(tmp_path / "one" / "probe", f"embeddings={tmp_path / 'joined.npz'}", *SMALL)
    assert found.result()["embed_dim"] == 12
    assert found.result()["source"]["label"] == "a.npz + b.npz"
    assert found.fits.read_text() == expected.fits.read_text()


def test_layers_of_one_of_several_files_are_chosen_by_the_setting_of_probes(path, tmp_path):
    np.savez(
        tmp_path / "a.npz", **{k: np.load(path)[k] for k in ("embeddings", "clip_ids", "layers")}
    )
    files = f"embeddings.file=[{path},{tmp_path / 'a.npz'}]"
    with pytest.raises(InputError, match="choose one with layers=NAME"):
        run(tmp_path / "a" / "probe", files, *SMALL)
    with pytest.raises(InputError, match=r"and layers\.npz \+ a\.npz has none"):
        run(tmp_path / "b" / "probe", files, "probe=weighted_layers", *(SMALL[:2] + SMALL[3:]))
