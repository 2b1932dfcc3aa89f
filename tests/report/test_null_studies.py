"""How often a report claims a difference where there is none. Oracle: the rate that it states."""

from pathlib import Path

import numpy as np
import pytest

from musicssl.evaluation.statistics.paired import compare
from musicssl.evaluation.statistics.significance import unpaired_test
from musicssl.report.analysis.best_settings import best_settings
from musicssl.report.analysis.comparisons import compare_all
from musicssl.report.analysis.grouping import Cell, Method
from musicssl.report.analysis.study import Study
from musicssl.report.read.evaluation_set import EvaluationSet
from musicssl.report.read.runs import ClassScores, Run
from musicssl.report.write.verdicts import verdict
from tests.support.equal_methods import simulate

NOTHING = np.zeros((0, 1))
TEST_SET = EvaluationSet({}, ("a",), np.array([]), NOTHING, NOTHING > 0, "multi_label")


def study(rng, num_seeds, **effects):
    """A study of methods that are equally good, the first one the baseline."""
    methods = []
    for name, *scores in zip("abcd", *simulate(rng, num_seeds, **effects), strict=False):
        runs = {seed: run(name, seed, *one) for seed, one in enumerate(zip(*scores, strict=True))}
        methods.append(Method(name, name, {1.0: Cell(runs)}))
    comparisons = compare_all(methods)
    return Study(methods, "auroc", comparisons, [], None, None, None, None, best_settings(methods))


def run(name, seed, auroc, influence):
    scores = ClassScores("auroc", np.array([auroc]), influence)
    metrics = {"auroc": auroc}
    return Run(Path(), name, seed, 1.0, 30, {}, metrics, scores, TEST_SET, 1, None, None)


def claims(one):
    [line] = verdict(one)
    return " beats " in line or " worse than " in line


@pytest.mark.parametrize("num_seeds", [1, 2, 3, 4])
def test_below_five_seeds_no_study_of_equals_claims_a_difference(num_seeds):
    rng = np.random.default_rng(0)
    studies = [study(rng, num_seeds) for _ in range(100)]
    assert any(one.comparisons[0].test.p < 0.05 for one in studies)
    assert not any(map(claims, studies))


@pytest.mark.slow
@pytest.mark.parametrize(
    "effects",
    [{}, {"clip_effect": 0.0}, {"own": 0.1, "seed_effect": 0.05}, {"num_clips": 30}],
)
def test_from_five_seeds_on_about_one_in_twenty_studies_of_equals_does(effects):
    rng, studies = np.random.default_rng(1), 4000
    found = sum(claims(study(rng, 5, **effects)) for _ in range(studies))
    print(f"claims at 5 seeds, {effects or 'usual effects'}: {found / studies:.2%}")
    assert 0.035 < found / studies < 0.067  # 0.06 and two standard errors of 4,000 draws


@pytest.mark.slow
def test_more_methods_do_not_claim_more():
    rng, studies = np.random.default_rng(2), 1500
    found = sum(claims(study(rng, 5, methods=4)) for _ in range(studies))
    print(f"claims at 5 seeds, three methods against a baseline: {found / studies:.2%}")
    assert 0.02 < found / studies < 0.072


@pytest.mark.slow
@pytest.mark.parametrize("seed_effect", [0.0, 0.3])
def test_trainings_without_pairs_do_not_claim_more(seed_effect):
    """As of probes: clips are drawn by the bootstrap, trainings by their spread."""
    rng, studies = np.random.default_rng(3), 2000
    found = over_clips = 0
    for _ in range(studies):
        aurocs, influences = simulate(rng, 5, seed_effect=seed_effect)
        influence = (influences[0] - influences[1]).mean(axis=0)
        a, b = (auroc.mean() for auroc in aurocs)
        drawn = a + np.sqrt((influence**2).sum()) * rng.normal(size=400)
        over_clips += compare(drawn, np.full(400, b), a, b).p < 0.05
        found += unpaired_test(a - b, list(aurocs), float(drawn.var(ddof=1)), 60).p < 0.05
    rates = f"{found / studies:.2%}, over clips alone {over_clips / studies:.2%}"
    print(f"claims over 5 trainings, seed effect {seed_effect}: {rates}")
    assert found / studies < 0.06
