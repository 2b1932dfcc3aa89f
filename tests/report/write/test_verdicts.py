"""Oracle: studies whose outcome we chose."""

import numpy as np
import pytest

from musicssl.report.analysis.probe_study import read_probe_study
from musicssl.report.analysis.study import read_study
from musicssl.report.write.verdicts import probe_verdict, verdict
from tests.support.synthetic_probes import UNTRAINED, source, truth, write_probe
from tests.support.synthetic_runs import settings, write_run, write_sweep


@pytest.fixture
def sweep(tmp_path):
    return write_sweep(tmp_path / "runs", {"att": 0.4, "best": 1.1, "same": 0.4})


def test_a_clear_difference_is_a_verdict(sweep):
    study = read_study([sweep])
    at_two, at_ten, _ = verdict(study)
    [pair] = [
        one for one in study.comparisons if (one.method, one.other, one.p_s) == ("best", "att", 0.1)
    ]
    assert pair.p_baseline < 0.05
    assert at_ten.startswith("At 10 % of the labels (100 clips) best beats att: ")
    assert f"{pair.test.difference:+.4f} AUROC" in at_ten
    assert at_ten.endswith("after Holm's correction, 3 seeds).")
    assert at_two.startswith("At 2 % of the labels (20 clips)")


def test_no_difference_is_said_to_be_none(sweep):
    [*_, last] = verdict(read_study([sweep / "att", sweep / "same"]))
    assert "no method is shown to beat att; the best of the others is same: +0.0000" in last
    assert "p = 1.000" in last


def test_falling_short_is_said(sweep):
    [_, at_ten, _] = verdict(read_study([sweep / "att", sweep / "best"], baseline="best"))
    assert "every other method falls short of best; least so att: -" in at_ten


def test_one_seed_is_said_to_be_one(tmp_path):
    write_sweep(tmp_path, {"att": 0.4, "b": 1.2}, seeds=(0,))
    assert all(
        "one seed: spread of training unknown" in line for line in verdict(read_study([tmp_path]))
    )


def test_one_method_has_nothing_to_be_compared_with(sweep):
    assert verdict(read_study([sweep / "att"])) == [
        "There is one method, att: nothing to compare it with."
    ]


def test_the_baseline_must_be_there_to_be_beaten(sweep):
    write_run(sweep / "more", settings("best", p_s=0.8), quality=1)
    study = read_study([sweep])
    assert verdict(study)[-1] == (
        "At 80 % of the labels att has no runs, so nothing can be compared with it."
    )


# --- probes


def test_of_probes_a_clear_difference_is_a_verdict(tmp_path):
    write_probe(tmp_path / "u", UNTRAINED, (0.1, 0.1))
    write_probe(tmp_path / "m", source("simclr"), (0.1, 1.5))
    study = read_probe_study([tmp_path])
    _, at_all = probe_verdict(study)
    [_, one] = study.comparisons[0]
    assert at_all.startswith(
        "Linear probe of gtzan, at 100 % of the labels (1,000 clips): simclr scores higher than "
        f"untrained_cnn: {one.test.difference:+.4f} AUROC (95 % interval {one.test.low:+.4f} to "
    )
    assert one.p_holm == 2 * one.test.p == 4 / 1001  # of 1,000 resamples, and two comparisons
    assert at_all.endswith(", p ≤ 0.004 after Holm's correction).")


def test_of_probes_one_labelled_clip_is_no_clips(tmp_path):
    for made_by in (UNTRAINED, source("simclr")):
        write_probe(tmp_path / made_by["name"], made_by, (0.1, 0.2), fractions=(0.001, 1.0))
    at_one, at_all = probe_verdict(read_probe_study([tmp_path]))
    assert "at 0.1 % of the labels (1 clip): " in at_one
    assert "at 100 % of the labels (1,000 clips): " in at_all


def test_of_probes_no_difference_is_said_to_be_none(tmp_path):
    write_probe(tmp_path / "u", UNTRAINED)
    given = np.load(tmp_path / "u" / "predictions.npz")["scores"]
    write_probe(tmp_path / "m", source("simclr"), given=given)
    for line in probe_verdict(read_probe_study([tmp_path])):
        assert "no model is shown to beat untrained_cnn; the best of the others is simclr" in line
        assert "+0.0000 AUROC" in line
        assert "p = 1.000" in line


def test_of_probes_falling_short_is_said(tmp_path):
    write_probe(tmp_path / "u", UNTRAINED, (1.5, 1.5))
    write_probe(tmp_path / "m", source("simclr"), (0.0, 0.0))
    for line in probe_verdict(read_probe_study([tmp_path])):
        assert "every other model falls short of untrained_cnn; least so simclr: -0." in line


def test_of_probes_an_error_that_is_less_is_better(tmp_path):
    """Intervals of RMSE are not in probe.json, so it is R² that is compared, and grows."""
    targets, _ = truth(task="regression")
    for made_by, noise in ((UNTRAINED, 2.0), (source(), 0.2)):
        rng = np.random.default_rng(0)
        given = (targets + noise * rng.normal(size=(4, *targets.shape))).astype(np.float32)
        write_probe(tmp_path / made_by["name"], made_by, given=given, task="regression")
    for line in probe_verdict(read_probe_study([tmp_path], "rmse")):
        assert "simclr scores higher than untrained_cnn: +" in line
        assert "R²" in line


def test_of_probes_one_model_has_nothing_to_be_compared_with(tmp_path):
    write_probe(tmp_path / "m", source("simclr"))
    study = read_probe_study([tmp_path])
    assert probe_verdict(study) == [
        "Linear probe of gtzan: there is one model, simclr: nothing to compare it with."
    ]
    write_probe(tmp_path / "o", source("other"), (0.5,), fractions=(0.5,))
    [line] = probe_verdict(read_probe_study([tmp_path]))
    assert line == "Linear probe of gtzan: no other model has a fraction of labels of other."
