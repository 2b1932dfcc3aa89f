"""probe.py as its users meet it: what a probe leaves, and what is said about a mistake."""

import hashlib
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from musicssl.datasets.formats.embeddings_file import read_embeddings
from musicssl.errors import InputError
from musicssl.evaluation.robustness_table import read_robustness
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.probes.folder import ProbeFolder
from tests.support import training_command
from tests.support.arrays import arrays_in
from tests.support.commands import SEARCH_PATH, shell
from tests.support.opens import opens_of
from tests.support.probing_command import run
from tests.support.tiny import Tiny
from tests.support.tiny_keys import TinyKeys

SMALL = ("data.p_s=[0.1,1]", "seeds=2", "probe.strengths=[0.01,1,100]")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Of a run of att on the three classes of tiny."""
    return training_command.run(tmp_path_factory.mktemp("run"), "trainer.max_epochs=1").best


@pytest.fixture(scope="module")
def of_sound(tmp_path_factory):
    """Of a run of samplecnn on tiny sound."""
    parts = ("encoder.chunk_samples=243", "encoder.num_blocks=4", "encoder.width=8")
    crops = ("data.crop_seconds=1.0", "trainer.max_epochs=1")
    folder = tmp_path_factory.mktemp("run")
    return training_command.run(
        folder, "dataset=tiny_sound", "encoder=samplecnn", *parts, *crops
    ).best


@pytest.fixture(scope="module")
def probed(tmp_path_factory, checkpoint):
    folder = tmp_path_factory.mktemp("probed") / "probe"
    return run(folder, f"checkpoint={checkpoint}", "dataset=tiny", *SMALL)


@pytest.mark.slow
def test_results_are_those_of_scikit_learn_on_the_saved_embeddings(checkpoint, tmp_path):
    saved = tmp_path / "tiny.npz"
    folder = run(
        tmp_path / "probe",
        f"checkpoint={checkpoint}",
        "dataset=tiny",
        "data.p_s=1.0",
        "baselines=[]",
        f"embeddings.save={saved}",
    )
    [fit] = folder.document()["fits"]
    with np.load(saved) as arrays:
        h, y, split = arrays["embeddings"], arrays["targets"], arrays["split"]
    scaler = StandardScaler().fit(h[split == "train"])
    train, test = (scaler.transform(h[split == name]) for name in ("train", "test"))
    aurocs = []
    for c in range(y.shape[1]):
        model = LogisticRegression(C=fit["chosen"]["strength"], max_iter=2000, tol=1e-8)
        model.fit(train, y[split == "train", c])
        aurocs.append(roc_auc_score(y[split == "test", c], model.decision_function(test)))
    assert fit["macro"]["auroc"] == pytest.approx(np.mean(aurocs), abs=1e-3)


@pytest.mark.slow
@pytest.mark.pictures
def test_the_folder_says_the_same_everywhere(probed):
    document = probed.document()
    assert [(fit["p_s"], fit["seed"]) for fit in document["fits"]] == [(0.1, 0), (0.1, 1), (1.0, 0)]
    with np.load(probed.predictions) as arrays:
        scores, targets = arrays["scores"], arrays["targets"]
    for fit, guess in zip(document["fits"], scores, strict=True):
        auroc = roc_auc_score(targets, guess, average="macro")
        assert fit["macro"]["auroc"] == pytest.approx(auroc, abs=1e-6)
    few, most = document["cells"]
    assert few["mean"]["auroc"] == pytest.approx(
        np.mean([fit["macro"]["auroc"] for fit in document["fits"][:2]])
    )
    assert few["interval"]["auroc"][0] < few["mean"]["auroc"] < few["interval"]["auroc"][1]
    assert document["macro"] == most["mean"]
    assert document["chance"]["auroc"] == 0.5
    assert document["clips"] == {"train": 84, "val": 12, "test": 24}
    assert [row["p_s"] for row in document["against"]] == [0.1, 1.0] * 2
    pictures = {path.name for path in probed.figures.iterdir()}
    assert pictures == {"label_curve.png", "per_class.png"}
    assert len(probed.fits.read_text().splitlines()) == 4


def test_a_probe_that_is_complete_is_shown_until_its_checkpoint_changes(
    probed, checkpoint, tmp_path, capsys
):
    before = probed.metrics.stat().st_mtime_ns
    run(probed.path, f"checkpoint={checkpoint}", "dataset=tiny", *SMALL)
    assert probed.metrics.stat().st_mtime_ns == before
    assert "test clips of tiny" in capsys.readouterr().out

    content = torch.load(checkpoint, weights_only=True)
    content["state_dict"]["classifier.encoder.layers.0.weight"] += 1
    other = tmp_path / "best.ckpt"
    torch.save(content, other)
    run(probed.path, f"checkpoint={other}", "dataset=tiny", *SMALL)
    assert probed.metrics.stat().st_mtime_ns > before


def test_baselines_can_be_asked_for_later(checkpoint, tmp_path, capsys):
    asked = f"checkpoint={checkpoint}", "dataset=tiny", "data.p_s=[0.1,1]"
    folder = run(tmp_path / "probe", *asked, "baselines=[]")
    assert folder.document()["against"] == []
    before, fits = folder.predictions.stat().st_mtime_ns, folder.document()["fits"]
    run(tmp_path / "probe", *asked)
    assert "This probe is complete" in capsys.readouterr().out
    document = folder.document()
    assert {row["with"] for row in document["against"]} == {
        "att, untrained",
        "statistics of its features",
    }
    assert document["fits"] == fits
    assert folder.predictions.stat().st_mtime_ns == before


def test_a_checkpoint_is_opened_once_in_a_probe(checkpoint, tmp_path, monkeypatch):
    opened = opens_of(checkpoint, monkeypatch)
    asked = (f"checkpoint={checkpoint}", "trusted=[tests]", "data.p_s=1")  # on its own corpus
    folder = run(tmp_path / "probe", *asked, f"embeddings.save={tmp_path / 'tiny.npz'}")
    assert len(opened) == 1
    assert len(folder.document()["against"]) == 2
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert folder.document()["source"]["checkpoint"] == digest
    assert len(opened) == 2  # the count is real


def test_labels_that_were_corrected_are_probed_again(checkpoint, tmp_path):
    saved = tmp_path / "tiny.npz"
    asked = f"checkpoint={checkpoint}", "dataset=tiny", "data.p_s=1", "baselines=[]"
    run(tmp_path / "a" / "probe", *asked, f"embeddings.save={saved}")
    with np.load(saved) as arrays:
        content = dict(arrays)
    theirs = f"embeddings={saved}", "data.p_s=0.1"
    before = run(tmp_path / "b" / "probe", *theirs).document()
    test = content["split"] == "test"
    content["targets"][test] = 1 - content["targets"][test]
    np.savez(saved, **content)
    after = run(tmp_path / "b" / "probe", *theirs).document()
    assert after["macro"]["auroc"] == pytest.approx(1 - before["macro"]["auroc"])


def test_another_corpus_of_the_same_name_is_refused(checkpoint, tmp_path):
    asked = f"checkpoint={checkpoint}", "dataset=tiny", "data.p_s=1", "baselines=[]"
    run(tmp_path / "probe", *asked)
    with pytest.raises(InputError, match=r"dataset\.seed: 0 there, 1 here.*name=\.\.\."):
        run(tmp_path / "probe", *asked, "dataset.seed=1")
    run(tmp_path / "probe", *asked, "dataset.seed=1", "overwrite=true")


def test_on_its_own_corpus_a_checkpoint_validates_on_the_clips_that_it_validated_on(tmp_path):
    other = ("dataset.validation=false", "data.val_fraction=0.3", "data.split_seed=5")
    checkpoint = training_command.run(tmp_path / "run", "trainer.max_epochs=1", *other).best
    asked = (f"checkpoint={checkpoint}", "data.p_s=1", "trusted=[tests]", "baselines=[]")
    assert run(tmp_path / "probe", *asked).document()["clips"]["val"] == 29
    with_words = (*asked, "dataset=tiny", "dataset.validation=false")
    assert run(tmp_path / "named", *with_words).document()["clips"]["val"] == 29
    chosen = run(tmp_path / "other", *with_words, "data.val_fraction=0.5")
    assert chosen.document()["clips"]["val"] == 48


def test_keys_earn_their_credit_in_scores_chance_intervals_and_under_corruption(tmp_path):
    keys = "dataset=tiny_keys", "encoder=samplecnn", "encoder.chunk_samples=243"
    small = "encoder.num_blocks=4", "encoder.width=8", "baselines=[]", "data.p_s=[0.2,1]", "seeds=2"
    folder = run(tmp_path / "probe", *keys, *small, "corruption=polarity", "severities=[5]")
    document = folder.document()
    corpus = TinyKeys().load()
    rows = np.flatnonzero(corpus.split == "test")
    right = corpus.y[rows].argmax(1)
    with np.load(folder.predictions) as arrays:
        answers = arrays["scores"].argmax(2)
        assert np.array_equal(arrays["credit"], corpus.credit)
        assert np.array_equal(arrays["groups"], corpus.groups[rows])
    earned = [corpus.credit[given, right].mean() for given in answers]
    assert [fit["macro"]["weighted_accuracy"] for fit in document["fits"]] == pytest.approx(earned)
    train = corpus.y[corpus.split == "train"].argmax(1)
    best = max(range(3), key=lambda given: corpus.credit[given, train].sum())
    assert document["chance"]["weighted_accuracy"] == pytest.approx(
        corpus.credit[best, right].mean()
    )
    # Whole groups are drawn: their clips alone cannot tell how sure the mean is.
    values = corpus.credit[answers[-1], right]
    of_groups = np.array([values[corpus.groups[rows] == g] for g in np.unique(corpus.groups[rows])])
    rng = np.random.default_rng(1)
    drawn = [of_groups[rng.integers(6, size=6)].mean() for _ in range(4000)]
    low, high = document["cells"][-1]["interval"]["weighted_accuracy"]
    assert (high - low) == pytest.approx(np.ptp(np.quantile(drawn, [0.025, 0.975])), abs=0.06)
    table = read_robustness(folder.robustness)
    assert table.clean["weighted_accuracy"] == pytest.approx(earned[2])
    assert document["metric"] == "weighted_accuracy"


def test_a_checkpoint_brings_its_features_and_its_crops(checkpoint, tmp_path):
    folder = run(tmp_path / "probe", f"checkpoint={checkpoint}", "dataset=tiny", "data.p_s=1")
    settings = yaml.safe_load(folder.config.read_text())
    made = Checkpoint.read(checkpoint).config
    assert settings["features"] == made["features"]
    assert settings["data"]["crop_seconds"] == made["data"]["crop_seconds"]


def test_the_seed_is_that_of_untrained_weights_and_of_draws(checkpoint, tmp_path):
    asked = f"checkpoint={checkpoint}", "dataset=tiny", "data.p_s=0.2", "seeds=1"
    several = [run(tmp_path / f"{s}" / "probe", *asked, f"seed={s}").document() for s in (0, 1)]
    assert [one["fits"][0]["seed"] for one in several] == [0, 1]
    against = [one["against"][0]["difference"] for one in several]
    assert against[0] != against[1]
    stratified = run(tmp_path / "s" / "probe", *asked, "data.stratified=true").document()
    assert stratified["fits"][0]["macro"] != several[0]["fits"][0]["macro"]


def test_the_dashboard_is_told_if_asked(checkpoint, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("musicssl.runs.dashboard.log_probe", lambda *given: told.append(given))
    asked = f"checkpoint={checkpoint}", "dataset=tiny", "data.p_s=1", "baselines=[]"
    run(tmp_path / "probe", *asked)
    assert told == []
    run(tmp_path / "probe", *asked, "logger=wandb")
    assert told == [(tmp_path / "probe", "musicssl")]


def test_embeddings_that_are_all_alike_are_refused(tmp_path):
    corpus = Tiny().load()
    np.savez(
        tmp_path / "alike.npz",
        embeddings=np.full((120, 4), 0.3, np.float32),
        clip_ids=corpus.clip_ids,
    )
    with pytest.raises(InputError, match="gives all clips of tiny the same embedding"):
        run(tmp_path / "probe", f"embeddings={tmp_path / 'alike.npz'}", "dataset=tiny")


def test_validation_clips_of_one_class_still_choose(checkpoint, tmp_path):
    saved = tmp_path / "tiny.npz"
    asked = f"checkpoint={checkpoint}", "dataset=tiny", "data.p_s=1", "baselines=[]"
    run(tmp_path / "a" / "probe", *asked, f"embeddings.save={saved}")
    with np.load(saved) as arrays:
        content = dict(arrays)
    content["targets"][content["split"] == "val"] = 1
    np.savez(saved, **content)
    document = run(tmp_path / "b" / "probe", f"embeddings={saved}", "data.p_s=1").document()
    assert document["fits"][0]["val_loss"] < 0.7


def test_test_clips_that_nothing_can_be_compared_on_are_refused_before_any_fit(
    checkpoint, tmp_path, monkeypatch
):
    saved = tmp_path / "tiny.npz"
    asked = f"checkpoint={checkpoint}", "dataset=tiny", "data.p_s=1", "baselines=[]"
    run(tmp_path / "a" / "probe", *asked, f"embeddings.save={saved}")
    with np.load(saved) as arrays:
        content = dict(arrays)
    content["targets"][content["split"] == "test"] = 1
    np.savez(saved, **content)
    monkeypatch.setattr("musicssl.runs.probes.run.fit", None)
    with pytest.raises(InputError, match="no class has test clips with it and test clips without"):
        run(tmp_path / "b" / "probe", f"embeddings={saved}", "data.p_s=1")
    assert not (tmp_path / "b" / "probe" / "results.json").exists()


def test_a_checkpoint_of_some_classes_probes_others_and_stays_as_it_is(checkpoint, tmp_path):
    before = checkpoint.read_bytes()
    folder = run(
        tmp_path / "probe",
        f"checkpoint={checkpoint}",
        "dataset=tiny",
        "dataset.num_classes=5",
        "dataset.seed=7",
        "data.p_s=1",
    )
    assert folder.document()["macro"]["auroc"] > 0.5
    assert arrays_in(folder.predictions)["scores"].shape == (1, 24, 5)
    assert checkpoint.read_bytes() == before


@pytest.mark.slow
def test_embeddings_from_a_file_in_any_order_give_the_same_numbers(probed, checkpoint, tmp_path):
    saved = tmp_path / "tiny.npz"
    one = f"checkpoint={checkpoint}", "dataset=tiny", f"embeddings.save={saved}", *SMALL
    expected = run(tmp_path / "a" / "probe", *one).document()
    with np.load(saved) as arrays:
        order = np.random.default_rng(0).permutation(len(arrays["clip_ids"]))
        shuffled = {
            "embeddings": arrays["embeddings"][order],
            "clip_ids": arrays["clip_ids"][order],
        }
    np.savez(tmp_path / "shuffled.npz", **shuffled)
    of_file = [f"embeddings={saved}"]
    of_corpus = [f"embeddings={tmp_path / 'shuffled.npz'}", "dataset=tiny"]
    for place, source in (("b", of_file), ("c", of_corpus)):
        document = run(tmp_path / place / "probe", *source, *SMALL).document()
        assert document["fits"] == expected["fits"]
        assert document["source"]["kind"] == "embeddings"


@pytest.mark.parametrize("kind", ["knn", "mlp", "prototypes"])
def test_every_probe_of_embeddings_fills_a_folder(checkpoint, tmp_path, kind):
    quick = ("probe.epochs=3", "probe.hidden=8") if kind == "mlp" else ()
    folder = run(
        tmp_path / "probe",
        f"checkpoint={checkpoint}",
        "dataset=tiny",
        f"probe={kind}",
        "data.p_s=1",
        *quick,
    )
    document = folder.document()
    assert document["probe"] == kind
    labels = [row["with"] for row in document["against"]]
    assert labels == ["att, untrained", "statistics of its features"]


@pytest.mark.slow
def test_fine_tuning_is_compared_with_training_from_nothing(of_sound, tmp_path):
    folder = run(
        tmp_path / "probe",
        f"checkpoint={of_sound}",
        "dataset=tiny_sound",
        "probe=finetune",
        "probe.rates=[0.001]",
        "probe.epochs=2",
        "data.p_s=1",
    )
    document = folder.document()
    assert document["fits"][0]["chosen"]["rate"] == 0.001
    assert [row["with"] for row in document["against"]] == ["samplecnn, untrained"]


@pytest.mark.pictures
def test_corruptions_are_of_the_probed_network_and_done_once(of_sound, tmp_path, capsys):
    asked = (f"checkpoint={of_sound}", "dataset=tiny_sound", "data.p_s=1", "baselines=[]")
    corrupted = ("corruption=[polarity,gain]", "severities=[5]")
    folder = run(tmp_path / "probe", *asked, *corrupted)
    rows = folder.robustness.read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["none", "polarity", "gain"]
    head = rows[0].split(",")
    clean = float(rows[1].split(",")[head.index("auroc")])
    assert clean == pytest.approx(folder.document()["macro"]["auroc"], abs=1e-6)
    before = folder.robustness.stat().st_mtime_ns
    run(tmp_path / "probe", *asked, *corrupted)
    assert folder.robustness.stat().st_mtime_ns == before
    assert "robustness.png" in {path.name for path in folder.figures.iterdir()}


def test_the_own_corpus_of_a_checkpoint_is_that_of_its_run(checkpoint, tmp_path):
    folder = run(tmp_path / "probe", f"checkpoint={checkpoint}", "trusted=[tests]", "data.p_s=1")
    assert folder.document()["corpus"] == "tiny"
    with pytest.raises(InputError, match=r"wants to call tests\.support\.tiny\.Tiny"):
        run(tmp_path / "probe", f"checkpoint={checkpoint}")


def pickled(path):
    path.write_bytes(pickle.dumps(Evil(path.with_name("pwned"))))
    return path


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((), "nothing was given to probe"),
        (("checkpoint={ckpt}", "encoder=att"), r"checkpoint=\.\.\. and encoder=\.\.\. was given"),
        (("encoder=att",), "needs a corpus"),
        (("checkpoint=nowhere.ckpt", "dataset=tiny"), "there is no checkpoint nowhere"),
        (("checkpoint={truncated}", "dataset=tiny"), "is damaged"),
        (("checkpoint={pickle}", "dataset=tiny"), "is damaged"),
        (("checkpoint={ckpt}", "dataset=tiny", "data.p_s=[0.1,2]"), "above 0 and at most 1"),
        (("checkpoint={ckpt}", "dataset=tiny", "seeds=0"), "seeds must be"),
        (("checkpoint={ckpt}", "dataset=tiny", "baselines=[chance]"), "no baseline 'chance'"),
        (
            ("checkpoint={ckpt}", "dataset=tiny", "features.num_mels=64"),
            "the checkpoint sets",
        ),
        (("checkpoint={ckpt}", "dataset=tiny", "logger=csv"), "logger=csv does not work with"),
        (("checkpoint={ckpt}", "dataset=tiny_sound"), "sound"),
        (("checkpoint={ckpt}", "dataset=tiny", "probe.strengths=[]"), "strengths"),
        (("checkpoint={ckpt}", "dataset=tiny", "corruption=gain"), "corruption"),
        (("embeddings=nowhere.npz",), "nowhere.npz"),
        (("embeddings={npz}", "dataset=tiny"), "clip"),
        (("embeddings={npz}", "probe=finetune"), r"few\.npz has none"),
        (("checkpoint={ckpt}", "dataset=tiny", "dataset.num_features=9"), "of 8 features"),
        (("checkpoint={ckpt}", "dataset=tiny", "embeddings.save=x.csv"), "csv"),
        (("checkpoint={ckpt}", "dataset=tiny", "embeddings.save=/no/x.npz"), "no folder /no"),
        (("checkpoint={ckpt}", "dataset=tiny", "device=gpu"), "no device gpu"),
        (("checkpoint={ckpt}", "dataset=tiny", "threads=0"), "threads"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(checkpoint, tmp_path, overrides, message):
    truncated = tmp_path / "truncated.ckpt"
    truncated.write_bytes(checkpoint.read_bytes()[:1000])
    np.savez(tmp_path / "few.npz", embeddings=np.zeros((2, 3), np.float32), clip_ids=["a", "b"])
    files = {
        "ckpt": checkpoint,
        "truncated": truncated,
        "pickle": pickled(tmp_path / "evil.ckpt"),
        "npz": tmp_path / "few.npz",
    }
    with pytest.raises(InputError, match=message):
        run(tmp_path / "probe", *(item.format(**files) for item in overrides))
    assert not ProbeFolder(tmp_path / "probe").is_complete
    assert not (tmp_path / "pwned").exists()


@pytest.mark.slow
def test_on_the_command_line_a_sweep_is_a_matrix_and_a_mistake_one_sentence(checkpoint, tmp_path):
    second = tmp_path / "second.ckpt"
    shutil.copy(checkpoint, second)
    done = shell(
        tmp_path,
        "-m",
        SEARCH_PATH,
        f"checkpoint={checkpoint},{second}",
        "dataset=tiny",
        "data.p_s=0.5,1",
        "seeds=1",
        "threads=1",
        f"runs={tmp_path / 'runs'}",
        script="probe.py",
    )
    assert done.returncode == 0, done.stderr
    assert "4 of 4 done" in done.stdout
    beside = sorted((checkpoint.parents[1] / "probes").rglob("probe.json"))
    assert [json.loads(path.read_text())["cells"][0]["p_s"] for path in beside] == [0.5, 1.0]
    elsewhere = [
        p for p in (tmp_path / "runs" / "probes").rglob("probe.json") if "second" in str(p)
    ]
    assert len(elsewhere) == 2

    mistake = shell(
        tmp_path,
        SEARCH_PATH,
        f"checkpoint={checkpoint}",
        "dataset=tiny",
        "prob=knn",
        script="probe.py",
    )
    assert mistake.returncode == 2
    assert mistake.stderr == "error: there is no setting prob; did you mean probe?\n"


def test_embeddings_over_time_can_be_summarised_by_two_statistics(checkpoint, tmp_path):
    """Oracle: NumPy on the network's own instances of each clip, of different lengths."""
    saved = tmp_path / "h.npz"
    corpus = ("dataset=tiny", "dataset.variable_lengths=true", "dataset.num_clips=40")
    folder = run(
        tmp_path / "probe",
        *(f"checkpoint={checkpoint}", "summary=mean_max", f"embeddings.save={saved}", *corpus),
        *("baselines=[untrained]", *SMALL),
    )
    assert folder.result()["source"]["label"].endswith(", mean_max")
    network = Checkpoint.read(checkpoint).method().network.eval()
    clips, found = Tiny(40, variable_lengths=True).load(), read_embeddings(saved).embeddings
    for row, length in enumerate(clips.lengths):
        x = torch.from_numpy(clips.x[row : row + 1, :length])
        with torch.no_grad():
            h, _ = network.encoder(x)
        expected = torch.cat([h[0].mean(dim=0), h[0].amax(dim=0)])
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)
    dims = {json.loads(path.read_text())["embed_dim"] for path in tmp_path.rglob("probe.json")}
    assert dims == {found.shape[1]}  # the untrained network is summarised in the same way


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("summary=median",), "summary must be one of mean, mean_max, mean_std, got median"),
        (("summary=mean_std", "probe=finetune"), "summary=mean_std has no effect on probe=finetu"),
        (("summary=mean_std", "embeddings=h.npz"), "musicssl embed --summary mean_std"),
    ],
)
def test_a_summary_without_effect_is_refused(checkpoint, tmp_path, words, message):
    source = () if "embeddings=h.npz" in words else (f"checkpoint={checkpoint}",)
    with pytest.raises(InputError, match=message):
        run(tmp_path / "probe", *source, "dataset=tiny", *words)
