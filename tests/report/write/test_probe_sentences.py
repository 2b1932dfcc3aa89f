"""Oracle: boards whose outcome we chose."""

import numpy as np

from musicssl.report.analysis.probe_study import read_probe_study
from musicssl.report.write.probe_sentences import probe_notes, probe_verdict
from tests.support.synthetic_probes import UNTRAINED, source, truth, write_probe


def test_a_clear_difference_is_a_verdict(tmp_path):
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


def test_one_labelled_clip_is_no_clips(tmp_path):
    for made_by in (UNTRAINED, source("simclr")):
        write_probe(tmp_path / made_by["name"], made_by, (0.1, 0.2), fractions=(0.001, 1.0))
    at_one, at_all = probe_verdict(read_probe_study([tmp_path]))
    assert "at 0.1 % of the labels (1 clip): " in at_one
    assert "at 100 % of the labels (1,000 clips): " in at_all


def test_no_difference_is_said_to_be_none(tmp_path):
    write_probe(tmp_path / "u", UNTRAINED)
    given = np.load(tmp_path / "u" / "predictions.npz")["scores"]
    write_probe(tmp_path / "m", source("simclr"), given=given)
    for line in probe_verdict(read_probe_study([tmp_path])):
        assert "no model is shown to beat untrained_cnn; the best of the others is simclr" in line
        assert "+0.0000 AUROC" in line
        assert "p = 1.000" in line


def test_falling_short_is_said(tmp_path):
    write_probe(tmp_path / "u", UNTRAINED, (1.5, 1.5))
    write_probe(tmp_path / "m", source("simclr"), (0.0, 0.0))
    for line in probe_verdict(read_probe_study([tmp_path])):
        assert "every other model falls short of untrained_cnn; least so simclr: -0." in line


def test_an_error_that_is_less_is_better(tmp_path):
    """Intervals of RMSE are not in probe.json, so it is R² that is compared, and grows."""
    targets, _ = truth(task="regression")
    for made_by, noise in ((UNTRAINED, 2.0), (source(), 0.2)):
        rng = np.random.default_rng(0)
        given = (targets + noise * rng.normal(size=(4, *targets.shape))).astype(np.float32)
        write_probe(tmp_path / made_by["name"], made_by, given=given, task="regression")
    for line in probe_verdict(read_probe_study([tmp_path], "rmse")):
        assert "simclr scores higher than untrained_cnn: +" in line
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


def test_what_is_not_finished_is_named(tmp_path):
    write_probe(tmp_path / "m")
    assert probe_notes(read_probe_study([tmp_path])) == []
    late = write_probe(tmp_path / "late", UNTRAINED)
    (late / "probe.json").unlink()
    assert probe_notes(read_probe_study([tmp_path])) == [
        f"Left out, for they are not finished: {late}."
    ]
