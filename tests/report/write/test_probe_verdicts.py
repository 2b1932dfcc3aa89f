"""Oracle: studies whose outcome we chose."""

import numpy as np
import pytest

from musicssl.report.analysis.probe_study import read_probe_study
from musicssl.report.write.probe_verdicts import probe_verdict
from tests.support.arrays import arrays_in
from tests.support.synthetic_probes import STATISTICS, UNTRAINED, source, truth, write_probe


def write_trainings(root, name, qualities, seeds=5, draws=5, kind="checkpoint", **how):
    for seed in range(seeds):
        made_by = source(name, seed, kind)
        write_probe(root / f"{name}{seed}", made_by, qualities, draws=draws, **how)


def test_a_clear_difference_is_a_verdict(tmp_path):
    write_trainings(tmp_path, "cnn", (0.1, 0.1), kind="untrained")
    write_trainings(tmp_path, "simclr", (0.1, 1.5))
    study = read_probe_study([tmp_path])
    _, at_all = probe_verdict(study)
    [_, one] = study.comparisons[0]
    low, high = one.claim.interval
    assert at_all == (
        "Linear probe of gtzan, at 100 % of the labels (1,000 clips): simclr beats cnn: "
        f"{one.test.difference:+.4f} AUROC (95 % interval {low:+.4f} to {high:+.4f}, p < 0.001 "
        "after Holm's correction, 5 trainings or more of each)."
    )


@pytest.mark.parametrize(
    ("seeds", "draws", "lacking"),
    [(5, 3, "draws of labelled clips"), (1, 5, "trainings"), (4, 4, "trainings and draws")],
)
def test_few_trainings_or_draws_claim_nothing(tmp_path, seeds, draws, lacking):
    write_trainings(tmp_path, "cnn", (0.1, 0.1), seeds, draws, kind="untrained")
    write_trainings(tmp_path, "simclr", (1.5, 1.5), seeds, draws)
    study = read_probe_study([tmp_path])
    at_ten, at_all = probe_verdict(study)
    assert study.comparisons[0][0].p_holm < 0.05
    assert "(100 clips): simclr measures +" in at_ten
    assert f" AUROC against cnn; a claim needs at least 5 {lacking}" in at_ten
    assert ("beats" in at_all) == (seeds == 5)  # all labelled clips can be drawn once only


def test_what_is_not_trained_has_no_seeds(tmp_path):
    """Statistics of the input are the same from any seed, and so are embeddings of a file."""
    write_probe(tmp_path / "s", STATISTICS, (0.1, 0.1))
    write_probe(tmp_path / "f", source("mert", None, kind="embeddings"), (1.5, 1.5))
    at_ten, at_all = probe_verdict(read_probe_study([tmp_path]))
    assert "a claim needs at least 5 draws of labelled clips of both." in at_ten
    assert "mert beats log_mel: +" in at_all
    assert at_all.endswith("after Holm's correction).")


def test_one_labelled_clip_is_no_clips(tmp_path):
    for made_by in (UNTRAINED, source("simclr")):
        write_probe(tmp_path / made_by["name"], made_by, (0.1, 0.2), fractions=(0.001, 1.0))
    at_one, at_all = probe_verdict(read_probe_study([tmp_path]))
    assert "at 0.1 % of the labels (1 clip): " in at_one
    assert "at 100 % of the labels (1,000 clips): " in at_all


def test_no_difference_is_said_to_be_none(tmp_path):
    write_trainings(tmp_path, "cnn", (0.3, 1.0), kind="untrained")
    for seed in range(5):
        given = arrays_in(tmp_path / f"cnn{seed}" / "predictions.npz")["scores"]
        write_probe(tmp_path / f"m{seed}", source("simclr", seed), given=given, draws=5)
    for line in probe_verdict(read_probe_study([tmp_path])):
        assert "no model is shown to beat cnn; the best of the others is simclr" in line
        assert "+0.0000 AUROC" in line
        assert "p = 1.000" in line


def test_being_worse_is_said(tmp_path):
    write_trainings(tmp_path, "cnn", (1.5, 1.5), kind="untrained")
    write_trainings(tmp_path, "simclr", (0.0, 0.0))
    for line in probe_verdict(read_probe_study([tmp_path])):
        assert "simclr is worse than cnn: -0." in line
    write_trainings(tmp_path, "byol", (2.5, 2.5))
    for line in probe_verdict(read_probe_study([tmp_path])):
        assert "byol beats cnn: +" in line
        assert " simclr (-0." in line
        assert line.endswith(") is worse than cnn.")


def test_an_error_that_is_less_is_better(tmp_path):
    """Intervals of RMSE are not in probe.json, so it is R² that is compared, and grows."""
    targets, _ = truth(task="regression")
    for name, kind, noise in (("cnn", "untrained", 2.0), ("simclr", "checkpoint", 0.2)):
        for seed in range(5):
            rng = np.random.default_rng(seed)
            given = (targets + noise * rng.normal(size=(10, *targets.shape))).astype(np.float32)
            how = {"given": given, "task": "regression", "draws": 5}
            write_probe(tmp_path / f"{name}{seed}", source(name, seed, kind), **how)
    for line in probe_verdict(read_probe_study([tmp_path], "rmse")):
        assert "simclr beats cnn: +" in line
        assert "R²" in line


def test_one_model_has_nothing_to_be_compared_with(tmp_path):
    write_probe(tmp_path / "m", source("simclr"))
    study = read_probe_study([tmp_path])
    assert probe_verdict(study) == [
        "Linear probe of gtzan: there is one model, simclr: nothing to compare it with."
    ]
    write_probe(tmp_path / "o", source("other"), (0.5,), fractions=(0.5,))
    [line] = probe_verdict(read_probe_study([tmp_path]))
    assert line == "Linear probe of gtzan: no other model has a fraction of labels of other."
