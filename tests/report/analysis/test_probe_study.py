"""Oracle: scores whose order we chose, and the bootstrap of the mean by hand."""

import numpy as np
import pytest
import torch

from musicssl.evaluation.statistics.bootstrap import replicates
from musicssl.evaluation.statistics.paired import compare
from musicssl.evaluation.statistics.significance import holm
from musicssl.evaluation.tasks import task_named
from musicssl.report.analysis.probe_boards import boards_of
from musicssl.report.analysis.probe_study import compare_board
from musicssl.report.read.probe_results import read_probes
from tests.support.arrays import arrays_in
from tests.support.synthetic_probes import UNTRAINED, document, source, truth, write_probe


def compared(root, metric=None):
    [board] = boards_of(read_probes([root]).results, metric, None)
    return compare_board(board)


def test_a_better_model_is_found_better_and_a_twin_the_same(tmp_path):
    write_probe(tmp_path / "u", UNTRAINED, (0.1, 0.2))
    given = arrays_in(tmp_path / "u" / "predictions.npz")["scores"]
    write_probe(tmp_path / "best", source("best"), (1.0, 2.0))
    write_probe(tmp_path / "worse", source("worse"), given=1 - given)
    write_probe(tmp_path / "twin", source("twin"), given=given)
    found = {(one.model, one.p_s): one for one in compared(tmp_path)}
    assert found.keys() == {(name, p_s) for name in ("best", "twin", "worse") for p_s in (0.1, 1.0)}
    for p_s in (0.1, 1.0):
        best, twin, worse = (found[name, p_s] for name in ("best", "twin", "worse"))
        assert best.other == "untrained_cnn"
        assert best.test.difference > 0 < best.test.low
        assert best.p_holm < 0.05
        assert (twin.test.difference, twin.test.low, twin.test.high, twin.p_holm) == (0, 0, 0, 1)
        assert worse.test.difference < 0
        assert best.labelled == round(1000 * p_s)


def test_the_replicate_of_a_model_is_the_mean_over_seeds_and_draws(tmp_path):
    folders = [write_probe(tmp_path / f"{s}", source(seed=s), (0.4, 0.5)) for s in range(2)]
    alone = write_probe(tmp_path / "u", UNTRAINED, (0.1, 0.3), draws=3)
    targets, mask = (torch.from_numpy(part) for part in truth())

    def drawn(*some, draws):
        sets = [arrays_in(folder / "predictions.npz")["scores"][-draws:] for folder in some]
        scores = torch.from_numpy(np.concatenate(sets))
        task = task_named("multi_label")
        return replicates(scores, targets, mask, task, ["auroc"])["auroc"].mean(axis=0)

    means = [document(folder)["cells"][1]["mean"]["auroc"] for folder in folders]
    base = document(alone)["cells"][1]["mean"]["auroc"]
    expected = compare(drawn(*folders, draws=2), drawn(alone, draws=3), np.mean(means), base)
    [_, one] = compared(tmp_path)
    assert one.p_s == 1.0
    test = one.test
    values = (test.difference, test.low, test.high, test.p)
    assert values == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.p), abs=1e-9
    )


def test_p_values_are_corrected_for_all_comparisons_of_the_board(tmp_path):
    write_probe(tmp_path / "u", UNTRAINED)
    for number in range(3):
        write_probe(tmp_path / f"{number}", source(f"m{number}"), (0.2 + 0.1 * number, 1.1))
    found = compared(tmp_path)
    assert len(found) == 6
    assert [one.p_holm for one in found] == pytest.approx(holm([one.test.p for one in found]))


def test_many_comparisons_have_resamples_enough_to_find_something(tmp_path):
    """With 1,000 resamples the least p value, 2 / 1,001, becomes 0.06 in a family of 30."""
    write_probe(tmp_path / "u", UNTRAINED, (0.0, 0.0), draws=1)
    for number in range(15):
        write_probe(tmp_path / f"{number}", source(f"m{number}"), (2.0, 2.0), draws=1)
    assert max(one.p_holm for one in compared(tmp_path)) < 0.05


def test_clips_of_one_group_are_drawn_together(tmp_path):
    """Each clip twice, as one group: the intervals are those of the single clips."""
    targets, mask = truth()
    for root, times in ((tmp_path / "single", 1), (tmp_path / "double", 2)):
        for made_by, quality in ((UNTRAINED, 0.2), (source(), 0.9)):
            once = write_probe(
                tmp_path / "once" / f"{times}" / made_by["name"], made_by, (0, quality)
            )
            given = arrays_in(once / "predictions.npz")["scores"].repeat(times, axis=1)
            test = (targets.repeat(times, axis=0), mask.repeat(times, axis=0))
            folder = write_probe(root / made_by["name"], made_by, given=given, test=test)
            if times > 1:
                arrays = arrays_in(folder / "predictions.npz")
                groups = np.array([f"song {row // times}" for row in range(len(test[0]))])
                np.savez(folder / "predictions.npz", **arrays, groups=groups)
    single, double = (compared(tmp_path / name)[-1].test for name in ("single", "double"))
    assert double.difference == pytest.approx(single.difference)
    width = single.high - single.low
    assert double.high - double.low == pytest.approx(width, rel=0.15)  # not narrower by root 2


def test_a_fraction_that_the_baseline_lacks_is_not_compared(tmp_path):
    write_probe(tmp_path / "u", UNTRAINED, (0.3,), fractions=(1.0,))
    write_probe(tmp_path / "m", source())
    assert [one.p_s for one in compared(tmp_path)] == [1.0]
    write_probe(tmp_path / "alone" / "m", source())
    assert compared(tmp_path / "alone") == []


def test_where_the_metric_of_a_table_has_no_intervals_the_usual_one_is_compared(tmp_path):
    write_probe(tmp_path / "u", UNTRAINED)
    write_probe(tmp_path / "m", source())
    assert {one.metric for one in compared(tmp_path, "f1")} == {"auroc"}
    assert {one.metric for one in compared(tmp_path, "average_precision")} == {"average_precision"}


def test_a_regression_is_compared_too(tmp_path):
    targets, _ = truth(task="regression")
    for name, noise in (("bad", 2.0), ("good", 0.2)):
        rng = np.random.default_rng(0)
        given = (targets + noise * rng.normal(size=(4, *targets.shape))).astype(np.float32)
        write_probe(tmp_path / name, source(name), given=given, task="regression")
    [_, one] = compared(tmp_path)
    assert (one.model, one.metric) == ("good", "r2")
    assert one.p_holm < 0.05
    assert one.test.low > 0
