"""Runs of the folds of a corpus, as one run that was tested on the clips of all of them."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.evaluation.statistics.resampled_means import mean_over_classes
from musicssl.evaluation.tasks import task_named
from musicssl.report.read.evaluation_set import EvaluationSet
from musicssl.report.read.runs import Run, class_scores
from musicssl.report.read.settings import ABSENT

FOLDS = ("fold", "test_fold", "val_fold")  # settings of a corpus that choose the test clips


def pooled(runs: Sequence[Run]) -> list[Run]:
    """Put the runs of several folds together that differ in nothing else.

    Each clip has the scores of the run that it was tested by, and metrics are measured on the clips
    of all folds. Runs that share test clips, as after a change of the validation fold alone, are no
    folds, and stay as they are.

    Args:
        runs: Those that were tested on the same clips share one `EvaluationSet`.

    Returns:
        The pooled runs, whose `folds` are not empty, and all others. Pooled runs that were tested
        on the same clips share one `EvaluationSet`.
    """
    families: defaultdict[Any, list[Run]] = defaultdict(list)
    for run in runs:
        others = tuple(sorted((k, v) for k, v in run.settings.items() if not is_fold(k)))
        families[run.name, run.seed, run.p_s, others].append(run)
    found: list[Run] = []
    for family in families.values():
        folds = {fold_of(run): run for run in sorted(family, key=_order)}
        if len(family) < 2 or len(folds) < len(family) or not _fit_together(family):
            found += family
            continue
        run = _as_one(folds)
        equal = (one.test_set for one in found if one.test_set.difference(run.test_set) is None)
        found.append(replace(run, test_set=next(equal, run.test_set)))
    return found


def is_fold(key: str) -> bool:
    """Whether a setting, named by its path, chooses the fold that tests or validates."""
    *sections, name = key.split(".")
    return name in FOLDS and "dataset" in sections


def fold_of(run: Run) -> str:
    """Return the name of the fold that a run was tested on."""
    keys = sorted(
        filter(is_fold, run.settings), key=lambda key: FOLDS.index(key.rpartition(".")[2])
    )
    named = (run.settings[key] for key in keys)
    return next((value for value in named if value != ABSENT), ABSENT)


def _order(run: Run) -> tuple[int, str]:
    """Sort by the names of folds, numbers as numbers."""
    name = fold_of(run)
    return (int(name), "") if name.isdecimal() else (0, name)


def _fit_together(family: Sequence[Run]) -> bool:
    """Whether runs have the same classes, and no test clip in common."""
    sets = [run.test_set for run in family]
    ids = np.concatenate([one.clip_ids for one in sets])
    kinds = {(one.classes, one.task) for one in sets}
    return len(kinds) == 1 and len(np.unique(ids)) == len(ids)


def _as_one(folds: Mapping[str, Run]) -> Run:
    runs = list(folds.values())
    test_set = _joined([run.test_set for run in runs], ", ".join(folds))
    found = [run.predicted() for run in runs]
    scores, log_odds = (np.concatenate(parts) for parts in zip(*found, strict=True))
    tensors = map(torch.from_numpy, (scores, test_set.targets, test_set.mask, log_odds))
    seen = [run.labelled_seen for run in runs if run.labelled_seen is not None]
    return Run(
        folder=Path(os.path.commonpath([run.folder for run in runs])),
        name=runs[0].name,
        seed=runs[0].seed,
        p_s=runs[0].p_s,
        labelled=round(np.mean([run.labelled for run in runs])),
        settings={key: value for key, value in runs[0].settings.items() if not is_fold(key)},
        metrics=task_named(test_set.task).metrics(*tensors).macro,
        scores=class_scores(scores, test_set, log_odds),
        test_set=test_set,
        best_epoch=None,
        robustness=None,
        validation=_mean_validation(runs),
        labelled_seen=round(np.mean(seen)) if len(seen) == len(runs) else None,
        folds=dict(folds),
    )


def _joined(sets: Sequence[EvaluationSet], names: str) -> EvaluationSet:
    """Return the test clips of all folds, in the order of the folds."""
    corpus = {key: value for key, value in sets[0].corpus.items() if not is_fold(key)}
    return EvaluationSet(
        corpus=corpus | {"dataset.fold": names},
        classes=sets[0].classes,
        clip_ids=np.concatenate([one.clip_ids for one in sets]),
        targets=np.concatenate([one.targets for one in sets]),
        mask=np.concatenate([one.mask for one in sets]),
        task=sets[0].task,
    )


def _mean_validation(runs: Sequence[Run]) -> NDArray[np.float64] | None:
    """Return the mean over folds of the metric of each class; None if a fold has none."""
    values = [run.validation for run in runs if run.validation is not None]
    if len(values) < len(runs):
        return None
    return mean_over_classes(np.stack(values))  # (F, C): over the folds where it is defined
