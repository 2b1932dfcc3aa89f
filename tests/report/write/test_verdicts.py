"""Oracle: studies whose outcome we chose."""

import numpy as np
import pytest

from musicssl.report.analysis.probe_study import read_probe_study
from musicssl.report.write.tables import comparisons_table
from musicssl.report.write.verdicts import probe_verdict, verdict
from tests.support.arrays import arrays_in
from tests.support.studies import read_study
from tests.support.synthetic_probes import STATISTICS, UNTRAINED, source, truth, write_probe
from tests.support.synthetic_runs import settings, write_run, write_sweep


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Runs that no test changes."""
    qualities = {"att": 0.4, "best": 1.1, "same": 0.4, "bad": 0.0}
    folder = tmp_path_factory.mktemp("runs")
    return write_sweep(folder, qualities, fractions=(0.02, 0.1, 0.5), seeds=range(5))


def pair_of(study, method, other, p_s=0.1):
    keys = (method, other, p_s)
    [pair] = [one for one in study.comparisons if (one.method, one.other, one.p_s) == keys]
    return pair


def test_a_clear_difference_is_a_verdict(sweep):
    study = read_study([sweep])
    at_two, at_ten, _ = verdict(study)
    pair = pair_of(study, "best", "att")
    assert pair.p_baseline < 0.05
    assert at_ten.startswith("At 10 % of the labels (100 clips) best beats att: ")
    assert f"{pair.test.difference:+.4f} AUROC" in at_ten
    assert "after Holm's correction, 5 seeds)." in at_ten
    assert at_two.startswith("At 2 % of the labels (20 clips)")


def test_methods_that_are_worse_are_named(sweep):
    study = read_study([sweep])
    at_half = verdict(study)[-1]
    bad = pair_of(study, "bad", "att", 0.5)
    assert bad.p_baseline < 0.05
    assert at_half.endswith(f". bad ({bad.test.difference:+.4f}) is worse than att.")
    assert "same" not in at_half


def test_no_difference_is_said_to_be_none(sweep):
    [*_, last] = verdict(read_study([sweep / "att", sweep / "same"]))
    assert "no method is shown to beat att; the best of the others is same: +0.0000" in last
    assert "p = 1.000" in last


def test_being_worse_is_said(sweep):
    [_, at_ten, _] = verdict(read_study([sweep / "att", sweep / "best"], baseline="best"))
    assert at_ten.startswith("At 10 % of the labels (100 clips) att is worse than best: -")
    study = read_study([sweep / name for name in ("att", "best", "bad")], baseline="best")
    [_, at_ten, _] = verdict(study)
    assert "every other method is worse than best; the closest is att: -" in at_ten


@pytest.mark.parametrize("seeds", [1, 3, 4])
def test_below_five_seeds_nothing_is_claimed(tmp_path, seeds):
    write_sweep(tmp_path, {"att": 0.4, "b": 1.2}, fractions=(0.1,), seeds=range(seeds))
    study = read_study([tmp_path])
    [pair] = study.comparisons
    assert pair.p_baseline < 0.05  # what would be claimed from five
    noun = "seed" if seeds == 1 else "seeds"
    assert verdict(study) == [
        f"At 10 % of the labels (100 clips) b measures {pair.test.difference:+.4f} AUROC against "
        f"att over {seeds} {noun}; a claim needs at least 5 seeds of both."
    ]
    assert not any(cell.is_bold for _, cells in tables(study) for cell in cells)


def tables(study):
    return comparisons_table(study.comparisons, study.baseline.label).rows


def test_claims_are_of_the_methods_with_seeds_enough(tmp_path):
    write_sweep(tmp_path, {"att": 0.4, "b": 1.2}, fractions=(0.1,), seeds=range(5))
    write_sweep(tmp_path, {"few": 1.6}, fractions=(0.1,), seeds=range(3))
    study = read_study([tmp_path])
    [line] = verdict(study)
    assert line.startswith("At 10 % of the labels (100 clips) b beats att: +")
    difference = pair_of(study, "few", "att").test.difference
    assert line.endswith(
        f" few measures {difference:+.4f} AUROC against att over 3 seeds; a claim needs at least 5 "
        "seeds of both."
    )
    assert {row: any(cell.is_bold for cell in cells) for row, cells in tables(study)} == {
        "b": True,
        "few": False,
    }


def test_one_method_has_nothing_to_be_compared_with(sweep):
    assert verdict(read_study([sweep / "att"])) == [
        "There is one method, att: nothing to compare it with."
    ]


def test_the_baseline_must_be_there_to_be_beaten(sweep, tmp_path):
    write_run(tmp_path / "more", settings("best", p_s=0.8), quality=1)
    study = read_study([sweep / "att", tmp_path])
    assert verdict(study)[-1] == (
        "At 80 % of the labels att has no runs, so nothing can be compared with it."
    )


# --- probes


def write_trainings(root, name, qualities, seeds=5, draws=5, kind="checkpoint", **how):
    for seed in range(seeds):
        made_by = source(name, seed, kind)
        write_probe(root / f"{name}{seed}", made_by, qualities, draws=draws, **how)


def test_of_probes_a_clear_difference_is_a_verdict(tmp_path):
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
def test_of_probes_few_trainings_or_draws_claim_nothing(tmp_path, seeds, draws, lacking):
    write_trainings(tmp_path, "cnn", (0.1, 0.1), seeds, draws, kind="untrained")
    write_trainings(tmp_path, "simclr", (1.5, 1.5), seeds, draws)
    study = read_probe_study([tmp_path])
    at_ten, at_all = probe_verdict(study)
    assert study.comparisons[0][0].p_holm < 0.05
    assert "(100 clips): simclr measures +" in at_ten
    assert f" AUROC against cnn; a claim needs at least 5 {lacking}" in at_ten
    assert ("beats" in at_all) == (seeds == 5)  # all labelled clips can be drawn once only


def test_of_probes_what_is_not_trained_has_no_seeds(tmp_path):
    """Statistics of the input are the same from any seed, and so are embeddings of a file."""
    write_probe(tmp_path / "s", STATISTICS, (0.1, 0.1))
    write_probe(tmp_path / "f", source("mert", None, kind="embeddings"), (1.5, 1.5))
    at_ten, at_all = probe_verdict(read_probe_study([tmp_path]))
    assert "a claim needs at least 5 draws of labelled clips of both." in at_ten
    assert "mert beats log_mel: +" in at_all
    assert at_all.endswith("after Holm's correction).")


def test_of_probes_one_labelled_clip_is_no_clips(tmp_path):
    for made_by in (UNTRAINED, source("simclr")):
        write_probe(tmp_path / made_by["name"], made_by, (0.1, 0.2), fractions=(0.001, 1.0))
    at_one, at_all = probe_verdict(read_probe_study([tmp_path]))
    assert "at 0.1 % of the labels (1 clip): " in at_one
    assert "at 100 % of the labels (1,000 clips): " in at_all


def test_of_probes_no_difference_is_said_to_be_none(tmp_path):
    write_trainings(tmp_path, "cnn", (0.3, 1.0), kind="untrained")
    for seed in range(5):
        given = arrays_in(tmp_path / f"cnn{seed}" / "predictions.npz")["scores"]
        write_probe(tmp_path / f"m{seed}", source("simclr", seed), given=given, draws=5)
    for line in probe_verdict(read_probe_study([tmp_path])):
        assert "no model is shown to beat cnn; the best of the others is simclr" in line
        assert "+0.0000 AUROC" in line
        assert "p = 1.000" in line


def test_of_probes_being_worse_is_said(tmp_path):
    write_trainings(tmp_path, "cnn", (1.5, 1.5), kind="untrained")
    write_trainings(tmp_path, "simclr", (0.0, 0.0))
    for line in probe_verdict(read_probe_study([tmp_path])):
        assert "simclr is worse than cnn: -0." in line
    write_trainings(tmp_path, "byol", (2.5, 2.5))
    for line in probe_verdict(read_probe_study([tmp_path])):
        assert "byol beats cnn: +" in line
        assert " simclr (-0." in line
        assert line.endswith(") is worse than cnn.")


def test_of_probes_an_error_that_is_less_is_better(tmp_path):
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


def test_of_probes_one_model_has_nothing_to_be_compared_with(tmp_path):
    write_probe(tmp_path / "m", source("simclr"))
    study = read_probe_study([tmp_path])
    assert probe_verdict(study) == [
        "Linear probe of gtzan: there is one model, simclr: nothing to compare it with."
    ]
    write_probe(tmp_path / "o", source("other"), (0.5,), fractions=(0.5,))
    [line] = probe_verdict(read_probe_study([tmp_path]))
    assert line == "Linear probe of gtzan: no other model has a fraction of labels of other."
