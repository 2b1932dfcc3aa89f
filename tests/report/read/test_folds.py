from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from musicssl.evaluation.metrics import macro, per_class_metrics
from musicssl.report.read.folds import fold_of, is_fold, pooled
from musicssl.report.read.runs import read_runs
from musicssl.report.read.settings import ABSENT
from tests.support.arrays import arrays_in
from tests.support.synthetic_runs import write_fold


def written(root, folds=(1, 2, 3), **how):
    for fold in folds:
        write_fold(root, fold, **how)
    return read_runs([root]).runs


def test_metrics_are_those_of_the_clips_of_all_folds(tmp_path):
    """Oracle: scikit-learn and the metrics of a run, on the files of predictions put together."""
    folders = [write_fold(tmp_path, fold, count=30 + fold) for fold in (3, 1, 2)]
    [run] = pooled(read_runs([tmp_path]).runs)
    files = [
        arrays_in(folder / "predictions.npz") for folder in (folders[1], folders[2], folders[0])
    ]
    scores, targets, mask = (
        np.concatenate([file[name] for file in files]) for name in ("scores", "targets", "mask")
    )
    assert run.test_set.clip_ids.tolist() == [c for f in files for c in f["clip_ids"].tolist()]
    for c in range(3):
        expected = roc_auc_score(targets[:, c] >= 0.5, scores[:, c])
        assert run.scores.by_class[c] == pytest.approx(expected)
    expected = macro(per_class_metrics(*map(torch.from_numpy, (scores, targets, mask))))
    for name, value in expected.items():
        assert run.metrics[name] == pytest.approx(value, rel=1e-5)
    assert run.scores.influence.shape == (96,)
    assert list(run.folds) == ["1", "2", "3"]
    assert [fold.metrics["auroc"] for fold in run.folds.values()] == [
        one.metrics["auroc"] for one in sorted(read_runs([tmp_path]).runs, key=lambda r: r.folder)
    ]


def test_one_run_is_the_clips_that_it_was_tested_on(tmp_path):
    """A clip keeps the scores of its fold, so pooling equal models of all clips changes nothing."""
    [run] = pooled(written(tmp_path))
    scores, _ = run.predicted()
    parts = [arrays_in(one.predictions)["scores"] for one in run.folds.values()]
    np.testing.assert_array_equal(scores, np.concatenate(parts))
    assert not any(is_fold(key) for key in run.settings)


@pytest.mark.parametrize(
    ("settings", "fold"),
    [
        ({"dataset.fold": "2"}, "2"),
        ({"dataset.labels.fold": "2", "dataset.path": "h.npz"}, "2"),  # labels of embeddings
        ({"dataset.test_fold": "3", "dataset.val_fold": "4"}, "3"),
        ({"dataset.fold": ABSENT, "dataset.labels.test_fold": "5"}, "5"),
        ({"dataset.root": "x"}, ABSENT),
    ],
)
def test_the_fold_of_a_run_is_that_of_its_corpus(settings, fold):
    assert fold_of(SimpleNamespace(settings=settings)) == fold


def test_methods_of_the_same_folds_share_their_test_clips(tmp_path):
    for name in ("att", "mean_teacher"):
        for fold in (1, 2):
            write_fold(tmp_path, fold, name=name)
    write_fold(tmp_path, 3, name="mean_teacher", seed=1)  # the other folds of this seed are missing
    runs = pooled(read_runs([tmp_path]).runs)
    both = [run for run in runs if run.folds]
    assert {run.name for run in both} == {"att", "mean_teacher"}
    assert both[0].test_set is both[1].test_set
    assert [run.seed for run in runs if not run.folds] == [1]


def test_runs_that_share_test_clips_are_no_folds(tmp_path):
    runs = written(tmp_path, apart=False)
    assert {run.folder for run in pooled(runs)} == {run.folder for run in runs}


def test_a_single_fold_stays_as_it_is(tmp_path):
    [run] = pooled(written(tmp_path, folds=(2,)))
    assert not run.folds
    assert run.trained == [run]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("dataset.fold", True),
        ("datamodule.dataset.test_fold", True),
        ("dataset.val_fold", True),
        ("dataset.folder", False),
        ("method.fold", False),
    ],
)
def test_folds_are_settings_of_the_corpus(key, expected):
    assert is_fold(key) == expected
