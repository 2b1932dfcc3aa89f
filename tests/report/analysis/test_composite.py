"""Oracle: scores put together by a loop, measured with scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from musicssl.errors import InputError
from musicssl.evaluation.statistics.delong import macro_auroc
from musicssl.report.analysis.choosing import Setting, choose, rivals
from musicssl.report.analysis.composite import composite
from musicssl.report.analysis.grouping import group
from musicssl.report.read.runs import read_runs
from tests.report.test_regression_study import write_regression
from tests.support.synthetic_runs import settings
from tests.support.tuned_runs import SEEDS, TEST, auroc, by_loop, drawn, write_tuned


def chosen(root):
    [found] = rivals(group(read_runs([root])[0]))
    return choose(found)


def retold(run, told):
    return replace(run, truth=replace(run.truth, **told))


def by_hand(seed):
    best, _ = by_loop()
    return np.stack([drawn(place, seed)[1][:, c] for c, place in enumerate(best)], axis=1)


def test_each_class_is_scored_by_the_setting_chosen_for_it(tmp_path):
    cell = composite(chosen(write_tuned(tmp_path)))
    assert tuple(cell.runs) == SEEDS
    targets, mask = TEST
    for seed, run in cell.runs.items():
        values = by_hand(seed)
        columns = [(targets[seen, c].astype(int), values[seen, c]) for c, seen in enumerate(mask.T)]
        precision = [average_precision_score(*column) for column in columns]
        f1 = [f1_score(t, v >= np.float32(0.5)) for t, v in columns]
        assert run.metrics["auroc"] == pytest.approx(auroc(values, *TEST).mean())
        assert run.metrics["average_precision"] == pytest.approx(np.mean(precision))
        assert run.metrics["f1"] == pytest.approx(np.mean(f1))
        np.testing.assert_allclose(run.judgement.by_class, auroc(values, *TEST))
        expected = macro_auroc(values, targets >= 0.5, mask).influence
        np.testing.assert_allclose(run.judgement.influence, expected)
        assert (run.seed, run.labelled, run.settings) == (seed, 100, {})


def test_answers_of_clips_of_one_class_are_those_of_the_columns_together(tmp_path):
    """Accuracy is no mean over classes: the columns of several runs compete."""
    answers = np.random.default_rng(0).integers(3, size=len(TEST[0]))
    targets = np.eye(3, dtype=np.float32)[answers]
    choice = chosen(write_tuned(tmp_path))
    told = {"targets": targets, "mask": np.ones_like(targets, bool), "task": "multi_class"}
    of_classes = tuple(
        Setting(
            one.text,
            {
                seed: replace(run, truth=replace(run.truth, **told))
                for seed, run in one.runs.items()
            },
        )
        for one in choice.of_classes
    )
    choice = replace(choice, of_classes=of_classes)
    for seed, run in composite(choice).runs.items():
        expected = accuracy_score(answers, by_hand(seed).argmax(axis=1))
        assert run.metrics["accuracy"] == pytest.approx(expected)


def test_values_of_a_regression_are_put_together(tmp_path):
    for place, noise in enumerate(((0.3, 0.9), (0.9, 0.3))):
        for seed in SEEDS:
            config = settings("dgm", seed, dropout=0.1 + place)
            write_regression(tmp_path / f"{place}_{seed}", config, 0.5, on_validation=noise)
    choice = chosen(tmp_path)
    assert choice.metric == "r2"
    assert [one.text for one in choice.of_classes] == ["encoder.dropout=0.1", "encoder.dropout=1.1"]
    for seed, run in composite(choice).runs.items():
        r2 = [choice.of_classes[c].runs[seed].judgement.by_class[c] for c in range(2)]
        assert run.metrics["r2"] == pytest.approx(np.mean(r2))


def test_a_file_of_scores_that_has_gone_is_named(tmp_path):
    choice = chosen(write_tuned(tmp_path))
    choice.of_classes[0].runs[1].predictions.unlink()
    with pytest.raises(InputError, match=r"predictions.npz is missing or damaged"):
        composite(choice)
