"""train.py with methods that learn embeddings, and tests under corruptions."""

import csv
import json

import numpy as np
import pytest
import torch

from musicssl.checkpoint import load_method, read_checkpoint
from musicssl.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.probing.linear import Embeddings, fit_linear
from musicssl.report.probe_curve import read_probe_curves
from musicssl.robustness_table import read_robustness
from tests.test_train import run
from tests.tiny_sound import TinySound

SMALL = (
    *("dataset=tiny_sound", "features.sample_rate=800", "data.crop_seconds=1.0"),
    *("encoder=samplecnn", "encoder.chunk_samples=729", "encoder.num_blocks=5", "encoder.width=16"),
    *("projector.hidden=16", "projector.out_dim=8"),
)


def test_a_run_is_judged_by_a_linear_probe_that_its_checkpoint_holds(tmp_path, capsys):
    folder = run(tmp_path / "run", "method=semisupcon", *SMALL, "data.p_s=0.5")
    saved = np.load(folder.path / "predictions.npz")
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


@pytest.mark.parametrize("method", ["simclr", "supcon", "vicreg", "byol"])
def test_relatives_run_from_the_command_line(tmp_path, method):
    folder = run(tmp_path / "run", f"method={method}", *SMALL)
    assert json.loads(folder.metrics.read_text())["effective_rank"] >= 1


@pytest.mark.parametrize(("dataset", "metric"), [("OneClass", "accuracy"), ("Values", "r2")])
def test_instances_and_other_kinds_of_targets(tmp_path, dataset, metric):
    target = f"dataset._target_=tests.kinds.{dataset}"
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


def test_views_that_are_too_hard_leave_no_run(tmp_path):
    with pytest.raises(Exception, match="severity"):
        run(tmp_path / "run", "method=semisupcon", *SMALL, "views.severity=7")
    assert not (tmp_path / "run" / "config.yaml").exists()
