"""Oracle: the same test by hand from the runs; two copies of a method do not differ."""

import numpy as np
import pytest

from musicssl.evaluation.statistics.significance import holm, paired_test
from musicssl.report.analysis.comparisons import compare_all
from musicssl.report.analysis.grouping import baseline_first, group
from musicssl.report.read.runs import read_runs
from tests.support.synthetic_runs import settings, write_run, write_sweep


def compare(root, baseline="att"):
    methods = baseline_first(group(read_runs([root]).runs), baseline)
    return methods, compare_all(methods)


def test_every_pair_is_compared_at_every_fraction_the_baseline_subtracted(tmp_path):
    write_sweep(tmp_path, {"att": 0.4, "b": 0.8, "c": 0.5}, fractions=(0.1, 0.5))
    methods, pairs = compare(tmp_path)
    assert [(one.method, one.other) for one in pairs if one.p_s == 0.1] == [
        *(("b", "att"), ("c", "att"), ("c", "b"))
    ]
    att, b, _ = (method.cells[0.1].runs for method in methods)
    differences = np.array([b[s].metrics["auroc"] - att[s].metrics["auroc"] for s in range(3)])
    influences = np.stack([b[s].scores.influence - att[s].scores.influence for s in range(3)])
    assert pairs[0].test == paired_test(differences, influences)
    assert pairs[0].caveat == "fewer than 5 seeds: no claim"


@pytest.mark.parametrize(("seeds", "caveat"), [(4, "fewer than 5 seeds: no claim"), (5, "")])
def test_five_seeds_in_common_are_enough_for_a_claim(tmp_path, seeds, caveat):
    write_sweep(tmp_path, {"att": 0.4}, fractions=(0.1,), seeds=range(6))
    write_sweep(tmp_path, {"b": 0.8}, fractions=(0.1,), seeds=range(seeds))
    _, [pair] = compare(tmp_path)
    assert pair.has_enough_seeds == (seeds == 5)
    assert pair.caveat.startswith(caveat)
    assert len(pair.seeds) == seeds


def test_p_values_are_corrected_for_the_comparisons_with_the_baseline_and_for_all(tmp_path):
    write_sweep(tmp_path, {"att": 0.4, "b": 0.8, "c": 0.5}, fractions=(0.1, 0.5))
    _, pairs = compare(tmp_path)
    assert [one.p_all for one in pairs] == holm([one.test.p for one in pairs])
    shown = [one for one in pairs if one.with_baseline]
    assert {one.other for one in shown} == {"att"}
    assert [one.p_baseline for one in shown] == holm([one.test.p for one in shown])
    assert {one.p_baseline for one in pairs if not one.with_baseline} == {None}


def test_two_names_for_the_same_scores_do_not_differ(tmp_path):
    write_sweep(tmp_path, {"att": 0.4, "twin": 0.4}, fractions=(0.1,))
    _, [pair] = compare(tmp_path)
    assert (pair.test.difference, pair.test.p, pair.p_all) == (0, 1, 1)


@pytest.mark.parametrize(
    ("seeds", "common", "left_out", "caveat"),
    [
        ((0, 1, 2), (0, 1), (2,), "fewer than 5 seeds: no claim; seeds of only one left out: 2"),
        ((1,), (1,), (0,), "one seed: spread of training unknown; seeds of only one left out: 0"),
        ((7, 8), (), (0, 1, 7, 8), "no seed in common: not tested"),
    ],
)
def test_seeds_that_only_one_has_are_left_out_and_that_is_said(
    tmp_path, seeds, common, left_out, caveat
):
    for seed in (0, 1):
        write_run(tmp_path / f"att{seed}", settings("att", seed))
    for seed in seeds:
        write_run(tmp_path / f"b{seed}", settings("b", seed), quality=0.9)
    _, [pair] = compare(tmp_path)
    assert (pair.seeds, pair.left_out, pair.caveat) == (common, left_out, caveat)
    assert (pair.test is None) == (not common)
    assert (pair.p_all is None) == (not common)
