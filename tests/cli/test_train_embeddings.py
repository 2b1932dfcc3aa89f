"""train.py with methods that learn embeddings, and tests under corruptions."""

import csv
import json

import numpy as np
import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.evaluation.robustness_table import read_robustness
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import fit_linear
from musicssl.runs.artifacts.label_curve import read_probe_curves
from musicssl.runs.checkpoint import load_method, read_checkpoint
from tests.support.arrays import arrays_in
from tests.support.quick import slow_after
from tests.support.tiny_sound import TinySound
from tests.support.training_command import run

SMALL = (
    *("dataset=tiny_sound", "features.sample_rate=800", "data.crop_seconds=1.0"),
    *("encoder=samplecnn", "encoder.chunk_samples=729", "encoder.num_blocks=5", "encoder.width=16"),
    *("projector.hidden=16", "projector.out_dim=8"),
)


@pytest.mark.slow
@pytest.mark.pictures
def test_a_run_is_judged_by_a_linear_probe_that_its_checkpoint_holds(tmp_path, capsys):
    few = "method.probe_clips=5"  # of 21 while it trains: the saved probe is the one of the end
    folder = run(tmp_path / "run", "method=semisupcon", *SMALL, "data.p_s=0.5", few)
    saved = arrays_in(folder.path / "predictions.npz")
    method, _ = load_method(folder.best)
    clips = data_of_the_run()
    scores = torch.cat([method.scores(batch) for batch in clips.batches("test")])
    np.testing.assert_allclose(scores.detach(), saved["scores"], atol=1e-5)

    def embeddings(batches):
        parts = [(method.classifier.clip_embeddings(b).detach(), b.y, b.mask) for b in batches]
        return Embeddings(*map(torch.cat, zip(*parts, strict=True)))

    train, val = embeddings(clips.batches_of(clips.labelled())), embeddings(clips.batches("val"))
    probe = fit_linear(train, val, method.task)
    linear = method.classifier.pooling.classifier
    torch.testing.assert_close(linear.weight, probe.weight, rtol=1e-2, atol=1e-3)

    [*points] = read_probe_curves(folder.label_curve)["linear probe"]
    macro = json.loads(folder.metrics.read_text())["macro"]
    assert points[-1].clips == len(clips.labelled()) == 21
    assert points[-1].macro["auroc"] == pytest.approx(macro["auroc"], abs=1e-6)
    names = {path.name for path in folder.figures.iterdir()}
    assert {"embedding_map.png", "label_curve.png"} < names
    printed = capsys.readouterr().out
    assert "linear probe, AUROC by labelled clips:" in printed
    assert "Effective rank of the embeddings:" in printed


def data_of_the_run():
    """Return the data of the run above, built by hand."""
    module = SemiSupervisedDataModule(TinySound(variable_lengths=True), p_s=0.5, batch_size=16)
    module.setup()
    return module


@pytest.mark.parametrize("method", slow_after(1, ["byol", "simclr", "supcon", "vicreg"]))
def test_relatives_run_from_the_command_line(tmp_path, method):
    folder = run(tmp_path / "run", f"method={method}", *SMALL)
    assert json.loads(folder.metrics.read_text())["effective_rank"] >= 1


@pytest.mark.parametrize(
    ("dataset", "metric"), slow_after(1, [("OneClass", "accuracy"), ("Values", "r2")])
)
def test_instances_and_other_kinds_of_targets(tmp_path, dataset, metric):
    target = f"dataset._target_=tests.support.kinds.{dataset}"
    folder = run(tmp_path / "run", target, "method=semisupcon", "encoder=att", "views=weak")
    assert (folder.figures / "embedding_map.png").is_file()
    curves = read_probe_curves(folder.label_curve)
    assert ("prototypes" in curves) == (dataset == "OneClass")
    macro = json.loads(folder.metrics.read_text())["macro"]
    assert curves["linear probe"][-1].macro[metric] == pytest.approx(macro[metric], abs=1e-6)


def test_corruptions_are_tested_after_training_or_later_and_only_once(tmp_path, capsys):
    common = (tmp_path / "run", "method=att", "pooling=mean", *SMALL, "severities=[2,5]")
    first = run(*common, "corruption=gain")
    assert list(read_robustness(first.robustness).corrupted) == ["gain"]
    capsys.readouterr()
    before = read_checkpoint(first.best)["state_dict"]
    first.metrics.touch()
    again = run(*common, "corruption=[gain,polarity,reverse]")
    after = read_checkpoint(again.best)["state_dict"]
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert "This run is complete" in (printed := capsys.readouterr().out)
    assert "at severity 5:" in printed
    table = read_robustness(again.robustness)
    assert set(table.corrupted) == {"gain", "polarity", "reverse"}
    with again.robustness.open() as file:
        assert len(list(csv.reader(file))) == 1 + 1 + 3 * 2
    assert table.clean["auroc"] == json.loads(again.metrics.read_text())["macro"]["auroc"]
    assert (again.figures / "robustness.png").is_file()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((*SMALL, "corruption=revrb"), "no corruption 'revrb'; choose all, or of gain, polarity"),
        (("corruption=all",), "corruption=... changes sound, but this run reads instances"),
    ],
)
def test_a_corruption_that_cannot_be_is_named_before_training(tmp_path, overrides, message):
    with pytest.raises(InputError, match=message):
        run(tmp_path / "run", *overrides)
    assert not (tmp_path / "run" / "config.yaml").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("severities=[0,1]", "severities must lie above 0 and not above 5, got 0."),
        ("severities=6", "severities must lie above 0 and not above 5, got 6."),
        ("severities=[1,nan]", "severities must lie above 0 and not above 5, got nan."),
        ("severities=[2,1]", "severities must be one or more, ascending, got [2, 1]."),
        ("severities=[]", "severities must be one or more, ascending, got []."),
        ("severities=hard", "severities must be numbers such as [1,2,5], got hard."),
        ("severities=[1,true]", "severities must be numbers such as [1,2,5], got True."),
        ("severities=null", "severities must be numbers such as [1,2,5], got None."),
        (
            "corruption=[gain,mp3]",
            "corruption=mp3 needs another features.sample_rate, or leave it out: "
            "mp3.sample_rate=800 is not supported by MP3",
        ),
    ],
)
def test_corruptions_that_cannot_be_are_refused_before_training(tmp_path, override, message):
    with pytest.raises(InputError) as raised:
        run(tmp_path / "run", *SMALL, "corruption=gain", override)
    assert str(raised.value).startswith(message)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_one_severity_is_a_list_of_one(tmp_path):
    folder = run(tmp_path, "pooling=mean", *SMALL, "corruption=gain", "severities=2")
    assert read_robustness(folder.robustness).severities == (2.0,)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("lda", "there is no map 'lda'; embedding_map is one of pca, tsne, umap, or null"),
        ("umap", "embedding_map=umap needs umap-learn"),
    ],
)
def test_a_map_that_cannot_be_is_refused_before_training(tmp_path, monkeypatch, layout, message):
    monkeypatch.setattr("musicssl.figures.embedding_map.find_spec", lambda name: None)
    with pytest.raises(InputError, match=message):
        run(tmp_path / "run", "method=semisupcon", *SMALL, f"embedding_map={layout}")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.pictures
def test_a_complete_run_draws_another_map_only_if_asked(tmp_path):
    common = (tmp_path / "run", "method=simclr", *SMALL, "data.p_s=0.5")
    folder = run(*common, "embedding_map=null")
    picture = folder.figures / "embedding_map.png"
    assert not picture.exists()
    before = folder.metrics.stat().st_mtime_ns
    run(*common)
    assert not picture.exists()
    run(*common, "embedding_map=pca")
    pca, stamp = picture.read_bytes(), picture.stat().st_mtime_ns
    run(*common, "embedding_map=pca")
    assert picture.stat().st_mtime_ns == stamp  # there is nothing to draw
    run(*common, "embedding_map=tsne")
    assert picture.read_bytes() != pca
    assert folder.embedding_map == "tsne"
    assert folder.metrics.stat().st_mtime_ns == before
    run(*common, "embedding_map=null")
    assert not picture.exists()


def test_a_map_of_a_method_without_embeddings_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(InputError, match="embedding_map=tsne is for methods that"):
        run(tmp_path, "embedding_map=tsne")


def test_too_few_clips_for_a_map_end_no_run(tmp_path, caplog):
    folder = run(tmp_path, "method=simclr", *SMALL, "dataset.num_clips=19")
    assert folder.is_complete
    assert not (folder.figures / "embedding_map.png").exists()
    assert "There is no map of embeddings: 3 test clips show nothing." in caplog.text


ALIKE = """
def alike(y, other):
    return 1 / (1 + (y[:, None] - other).abs().sum(dim=2))


def unlike(y, other):
    return -alike(y, other)
"""


@pytest.mark.slow
def test_a_similarity_of_ones_own_trains_and_is_trusted_where_it_was_named(tmp_path, monkeypatch):
    (tmp_path / "mylab.py").write_text(ALIKE)
    monkeypatch.syspath_prepend(tmp_path)
    mine = (*SMALL, "method=semisupcon", "similarity=of_targets", "severities=5")
    folder = run(tmp_path / "run", *mine, "similarity.function=mylab.alike")
    run(tmp_path / "run", *mine, "similarity.function=mylab.alike", "corruption=gain")
    assert folder.robustness.is_file()
    with pytest.raises(InputError, match=r"wants to call mylab\.alike; .*trusted=\['mylab'\]"):
        load_method(folder.best)
    for name, said in [("unlike", "numbers of 0 or more"), ("other", "mylab.other cannot be imp")]:
        with pytest.raises(InputError, match=said):
            run(tmp_path / name, *mine, f"similarity.function=mylab.{name}")
    with pytest.raises(InputError, match=r"similarity\.function has no default; type similarity"):
        run(tmp_path / "none", *mine)


@pytest.mark.parametrize(
    ("overrides", "setting", "choice"),
    [
        (("method=semisupcon", "+encoder.embed_dim=8"), "encoder.embed_dim", "encoder=samplecnn"),
        (("method=att", "+method.probe_clips=5"), "method.probe_clips", "method=att"),
        (("method=supcon", "similarity=dice", "+similarity.width=1"), "similarity.width", "simil"),
        (("+optimizer.momentum=0.9",), "optimizer.momentum", "optimizer=adam"),
        (("+dataset.rate=1",), "dataset.rate", "dataset=tiny_sound"),
    ],
)
def test_a_setting_that_the_chosen_part_does_not_know_is_named(
    tmp_path, overrides, setting, choice
):
    with pytest.raises(InputError, match=f"^{setting} is no setting of {choice}.*~{setting}"):
        run(tmp_path / "run", *SMALL, "pooling=mean", *overrides)


def test_views_that_are_too_hard_leave_no_run(tmp_path):
    with pytest.raises(InputError, match=r"^severity must lie between 0 \(off\) and 5, got 7\.$"):
        run(tmp_path / "run", "method=semisupcon", *SMALL, "views.severity=7")
    assert not (tmp_path / "run" / "config.yaml").exists()
