"""Oracle: scikit-learn by hand, and the scores that the run wrote."""

import json

import numpy as np
import pytest
import soundfile
from hydra.utils import instantiate
from omegaconf import OmegaConf
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.baseline import Baseline
from musicssl.runs import baselines
from musicssl.runs.baselines import OF_INSTANCES, OF_SOUND, logistic_regression, verdict
from tests.support.commands import ROOT
from tests.support.quick import slow_after
from tests.support.tiny import Tiny
from tests.support.training_command import run


def run_with(tmp_path, *overrides, name="run"):
    return run(tmp_path / name, "baselines=true", f"data.cache={tmp_path / 'cache'}", *overrides)


def by_hand(dataset, p_s=1.0):
    """AUROC of each class of logistic regression on mean and deviation of the instances."""
    module = SemiSupervisedDataModule(dataset, p_s=p_s)
    module.setup()
    train, test = module.clips("train"), module.clips("test")
    xs = [
        np.concatenate([batch.x.numpy().mean(axis=1), batch.x.numpy().std(axis=1)], axis=1)
        for batch in (train, test)
    ]
    areas = []
    for c in range(train.y.shape[1]):
        seen = train.mask[:, c].numpy()
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        model.fit(xs[0][seen], train.y[seen, c] >= 0.5)
        areas.append(roc_auc_score(test.y[:, c], model.predict_proba(xs[1])[:, 1]))
    return np.mean(areas)


@pytest.mark.parametrize("p_s", slow_after(1, [1.0, 0.5]))
def test_a_run_shows_a_baseline_on_the_same_clips_and_labels(tmp_path, capsys, p_s):
    folder = run_with(tmp_path, f"data.p_s={p_s}", "pooling.start=random", "pooling.regression=0")
    printed = capsys.readouterr().out
    document = json.loads(folder.baselines.read_text())
    [(name, one)] = document["baselines"].items()
    assert name == "instances_lr"
    expected = by_hand(Tiny(), p_s)
    assert one["macro"]["auroc"] == pytest.approx(expected, abs=1e-5)
    ours = json.loads(folder.metrics.read_text())["macro"]["auroc"]
    assert document["difference"] == pytest.approx(ours - expected, abs=1e-5)
    low, high = document["interval"]
    assert low < document["difference"] < high
    assert document["chance"]["auroc"] == 0.5
    rows = " ".join(printed.split())
    assert f"{expected:.3f}" in rows
    assert " chance " in rows
    assert "att is behind the best simple baseline (instance statistics + logistic" in printed


@pytest.mark.slow
def test_without_baselines_none_are_fitted_or_shown(tmp_path, capsys):
    folder = run(tmp_path / "run", f"data.cache={tmp_path / 'cache'}")
    assert not folder.baselines.exists()
    assert " chance  " not in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()
    run_with(tmp_path)  # a complete run gets them when they are asked for
    assert folder.baselines.is_file()
    assert " chance  " in capsys.readouterr().out
    run(tmp_path / "run", f"data.cache={tmp_path / 'cache'}")
    assert " chance  " not in capsys.readouterr().out


def test_runs_on_the_same_clips_and_labels_share_the_fit(tmp_path, monkeypatch):
    first = json.loads(run_with(tmp_path).baselines.read_text())
    monkeypatch.setattr(Baseline, "fit", None)
    second = json.loads(
        run_with(tmp_path, "encoder=fc", "pooling=mean", name="fc").baselines.read_text()
    )
    assert first["baselines"] == second["baselines"]
    assert first["predictions"] != second["predictions"]
    with pytest.raises(TypeError):
        run_with(tmp_path, "data.p_s=0.5", name="fewer")


def test_the_baselines_of_a_complete_run_are_not_measured_again(tmp_path, monkeypatch, capsys):
    folder = run_with(tmp_path)
    before = folder.baselines.read_text()
    monkeypatch.setattr(baselines, "chance", None)
    run_with(tmp_path)
    assert folder.baselines.read_text() == before
    assert "chance" in capsys.readouterr().out


def damaged(text):
    return text.replace('"auroc": 0.', '"auroc": 1.', 1)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [damaged, lambda text: text[:50], lambda text: "[]"])
def test_damaged_baselines_are_measured_again(tmp_path, damage, caplog):
    folder = run_with(tmp_path)
    before = folder.baselines.read_text()
    folder.baselines.write_text(damage(before))
    run_with(tmp_path)
    assert folder.baselines.read_text() == before
    assert "baselines.json is damaged, so the baselines are measured again" in caplog.text


@pytest.mark.slow
def test_baselines_beside_another_result_are_measured_again(tmp_path):
    alone = ("pooling.start=random", "pooling.regression=0")  # the network alone
    folder = run_with(tmp_path, *alone)
    before = folder.baselines.read_text()
    run_with(tmp_path, *alone, "overwrite=true", "trainer.max_epochs=1")
    after = folder.baselines.read_text()
    assert json.loads(after)["difference"] != json.loads(before)["difference"]
    folder.baselines.write_text(before)  # of the earlier result
    run_with(tmp_path, *alone, "trainer.max_epochs=1")
    assert folder.baselines.read_text() == after


def test_damaged_predictions_do_not_stop_a_complete_run_from_being_shown(tmp_path, capsys):
    folder = run_with(tmp_path)
    folder.predictions.write_bytes(folder.predictions.read_bytes()[:-200])
    run_with(tmp_path)
    assert "No comparison with simple baselines: " in capsys.readouterr().out
    folder.predictions.unlink()
    run_with(tmp_path)
    assert "Tables, scores, pictures" in capsys.readouterr().out


def test_a_regression_has_none_and_says_so(tmp_path, capsys):
    kind = ("dataset._target_=tests.support.kinds.Values", "pooling=mean", "select=val/r2")
    folder = run_with(tmp_path, *kind)
    printed = capsys.readouterr().out
    assert "No comparison with simple baselines: they classify, and the targets of" in printed
    assert "Comparing with classifiers" not in printed
    assert json.loads(folder.baselines.read_text())["baselines"] == {}


def test_a_multi_class_run_is_compared_by_accuracy(tmp_path, capsys):
    kind = ("dataset._target_=tests.support.kinds.OneClass", "pooling=mean")
    folder = run_with(tmp_path, *kind)
    document = json.loads(folder.baselines.read_text())
    assert document["metric"] == "accuracy"
    accuracy = document["baselines"]["instances_lr"]["macro"]["accuracy"]
    ours = json.loads(folder.metrics.read_text())["macro"]["accuracy"]
    assert document["difference"] == pytest.approx(ours - accuracy)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"instance statistics + logistic regression: accuracy {accuracy:.3f}" in printed
    assert "chance: accuracy 0." in printed


def test_a_baseline_is_compared_with_the_others(tmp_path, capsys):
    folder = run_with(tmp_path, "method=baseline", "baseline=instances_lr")
    document = json.loads(folder.baselines.read_text())
    assert document["baselines"] == {}
    assert "simple baseline" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_on_instances_of_sound_shows_three_baselines(tmp_path, capsys):
    """Three tones of 0.3 s each, of which a clip has one."""
    rng = np.random.default_rng(0)
    lines = ["path,label,split"]
    for number in range(36):
        label, split = number % 3, ("train", "train", "val", "test")[number // 3 % 4]
        sound = 0.3 * np.sin(np.arange(2400) / 8000 * 2 * np.pi * (300, 600, 1200)[label])
        noise = 0.01 * rng.normal(size=2400)
        soundfile.write(tmp_path / f"{number}.wav", sound + noise, 8_000)
        lines.append(f"{number}.wav,{label}-tone,{split}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    chosen = ("dataset=audio_folder", f"data.root={tmp_path}", "dataset.num_workers=1")
    folder = run_with(tmp_path, *chosen, "trainer.max_epochs=1")
    document = json.loads(folder.baselines.read_text())
    assert list(document["baselines"]) == ["mfcc_lr", "log_mel_lr", "instances_lr"]
    for one in document["baselines"].values():
        assert one["macro"]["auroc"] == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "MFCC + logistic" in printed
    assert "log-mel statistics +" in printed
    assert "instance" in printed


@pytest.mark.parametrize("one", [*OF_SOUND, *OF_INSTANCES], ids=lambda one: one.name)
def test_what_is_shown_is_what_the_option_of_that_name_is(one):
    options = {
        path.stem: OmegaConf.load(path) for path in (ROOT / "conf" / "baseline").glob("*.yaml")
    }
    assert options[one.name].features == one.features
    classifier = instantiate(options["mfcc_lr"].classifier)
    assert classifier.get_params() == logistic_regression().get_params()
    assert "classifier" not in options[one.name] or one.name == "mfcc_lr"


def compared(difference, low, high, **more):
    known = {"title": "MFCC + logistic regression"}
    return {
        "reason": None,
        "metric": "auroc",
        "best": "mfcc_lr",
        "baselines": {"mfcc_lr": known},
        "difference": difference,
        "interval": [low, high],
        **more,
    }


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (
            compared(0.0123, 0.002, 0.02),
            "att is ahead of the best simple baseline (MFCC + logistic regression) by 0.012 AUROC "
            "on these test clips (95 % interval +0.002 to +0.020).",
        ),
        (
            compared(-0.0123, -0.02, -0.002),
            "att is behind the best simple baseline (MFCC + logistic regression) by 0.012 AUROC on "
            "these test clips (95 % interval -0.020 to -0.002): with this many labels the simple "
            "baseline is the better choice.",
        ),
        (
            compared(0.0123, -0.002, 0.02, own="svm"),
            "att and the best other simple baseline (MFCC + logistic regression) cannot be told "
            "apart on these test clips: the difference is +0.012 AUROC (95 % interval -0.002 to "
            "+0.020).",
        ),
        (
            compared(0.0123, None, None),
            "att and the best simple baseline (MFCC + logistic regression) cannot be told apart on "
            "these test clips: the difference is +0.012 AUROC.",
        ),
        (compared(None, None, None), None),
        ({"reason": "it rains."}, "No comparison with simple baselines: it rains."),
    ],
)
def test_the_verdict_follows_from_the_interval(document, sentence):
    assert verdict(document, "att") == sentence
