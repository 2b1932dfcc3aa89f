"""The training runs that a report is about."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.errors import InputError
from musicssl.evaluation.metrics import metric_info
from musicssl.evaluation.regression import regression_metrics
from musicssl.evaluation.robustness_table import Robustness, read_robustness
from musicssl.evaluation.statistics.delong import macro_auroc
from musicssl.report.read.evaluation_set import EvaluationSet
from musicssl.report.read.files import (
    check_folders,
    explained_damage,
    folders_with,
    is_training_config,
    read_config,
    read_metrics,
    read_predictions,
    text_of_config,
)
from musicssl.runs.folder import RunFolder

_TOLERANCE = 1e-4  # metrics.json has its AUROC from sums in float32


@dataclass(frozen=True, eq=False)
class ClassScores:
    """How good a run is on each class of the test clips.

    Attributes:
        metric: Name of the metric: AUROC of classes, or R² of a regression.
        by_class: Its values, (C), NaN where undefined.
        influence: Of each clip on the macro mean, (N,), see
            `musicssl.evaluation.statistics.delong`. None where it is not known; then nothing is
            tested.
    """

    metric: str
    by_class: NDArray[np.float64]
    influence: NDArray[np.float64] | None

    @property
    def macro(self) -> float:
        """The mean over the classes for which the metric is defined."""
        return float(np.nanmean(self.by_class))


def class_scores(
    scores: NDArray[np.floating],
    test_set: EvaluationSet,
    log_odds: NDArray[np.floating] | None = None,
) -> ClassScores:
    """Measure scores class by class: by AUROC, or by R² of a regression.

    Args:
        scores: Scores of the test clips, (N, C).
        test_set: These clips.
        log_odds: What they are ranked by, (N, C); None for the scores.
    """
    if test_set.has_classes:
        ranks = scores if log_odds is None else log_odds
        result = macro_auroc(ranks, test_set.present, test_set.mask)
        return ClassScores("auroc", result.per_class, result.influence)
    tensors = map(torch.from_numpy, (scores, test_set.targets, test_set.mask))
    return ClassScores("r2", regression_metrics(*tensors).per_class["r2"].numpy(), None)


@dataclass(frozen=True, eq=False)
class Run:
    """A complete run.

    Attributes:
        folder: As it was found.
        name: The setting `name`.
        seed: The setting `seed`.
        p_s: Fraction of the labelled training clips that kept their labels.
        labelled: Number of these clips.
        settings: All other settings that can change the results, by path.
        metrics: Macro metrics and those of localisation by name, NaN where undefined.
        scores: Scores of each class, on the test clips.
        test_set: The test clips.
        best_epoch: The one whose weights were kept; None for a method without epochs.
        robustness: Its metrics under corruptions of sound; None if it was not tested under any.
        validation: `scores.metric` of the validation clips by class, (C), NaN where undefined;
            None for a run of an older version.
        labelled_seen: Labelled clips in all batches of its training; None if it is not known.
        folds: The runs that it was put together from, by the name of the fold that each was tested
            on; empty for one run. See `musicssl.report.read.folds`.
    """

    folder: Path
    name: str
    seed: int
    p_s: float
    labelled: int
    settings: Mapping[str, str]
    metrics: Mapping[str, float]
    scores: ClassScores
    test_set: EvaluationSet
    best_epoch: int | None
    robustness: Robustness | None
    validation: NDArray[np.float64] | None
    labelled_seen: int | None = None
    folds: Mapping[str, "Run"] = field(default_factory=dict)

    @property
    def trained(self) -> Sequence["Run"]:
        """The runs of the folds, or the one that it is."""
        return list(self.folds.values()) or [self]

    def predicted(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Read the scores of the test clips, and what they are ranked by, (N, C) each.

        Raises:
            InputError: If a file of predictions is damaged.
        """
        parts = [read_predictions(run.predictions, run.settings)[:2] for run in self.trained]
        scores, log_odds = (np.concatenate(some) for some in zip(*parts, strict=True))
        return scores, log_odds

    @property
    def predictions(self) -> Path:
        """The file with scores and targets of the test clips, of a run of one fold."""
        return self.folder / "predictions.npz"


@dataclass(frozen=True, eq=False)
class FoundRuns:
    """The training runs under some folders.

    Attributes:
        runs: Those that are complete and sound.
        left_out: A sentence for each that is damaged, or holds the same run as another.
        unfinished: Folders of runs that are not finished.
    """

    runs: Sequence[Run]
    left_out: Sequence[str]
    unfinished: Sequence[Path]


def read_runs(folders: Sequence[Path]) -> FoundRuns:
    """Read all complete runs under some folders, each once though the folders may overlap.

    Runs that were tested on the same clips of the same corpus share one `EvaluationSet`.

    Raises:
        InputError: If one of the folders does not exist.
    """
    check_folders(folders)
    found: list[Run] = []
    left_out: list[str] = []
    for folder in folders_with(folders, "metrics.json"):
        try:
            run = read_run(folder)
        except InputError as error:
            left_out.append(f"Left out: {error}")
            continue
        equal = (one.test_set for one in found if one.test_set.difference(run.test_set) is None)
        found.append(replace(run, test_set=next(equal, run.test_set)))  # one copy is enough
    runs, twins = _without_twins(found)
    return FoundRuns(runs, [*left_out, *twins], _unfinished(folders))


def _without_twins(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Keep one of the runs with the same settings, seed and test clips: the first."""
    kept: dict[object, Run] = {}
    sentences = []
    for run in runs:
        key = (run.name, run.seed, run.p_s, id(run.test_set), tuple(sorted(run.settings.items())))
        twin = kept.setdefault(key, run)
        if twin is not run:
            same = np.array_equal(twin.scores.by_class, run.scores.by_class, equal_nan=True)
            results = "the same results" if same else "other results"
            sentences.append(
                f"Left out: {run.folder} holds the settings and the seed of {twin.folder}, with "
                f"{results}."
            )
    return list(kept.values()), sentences


def read_run(folder: Path) -> Run:
    """Read one complete run.

    Raises:
        InputError: If a file of it is missing, damaged or at odds with another.
    """
    files = RunFolder(folder)
    config, document = read_config(files.config), read_metrics(files.metrics)
    values, log_odds, test_set = read_predictions(folder / "predictions.npz", config.settings)
    with explained_damage(folder / "predictions.npz"):
        scores = class_scores(values, test_set, log_odds)
    reported = document["macro"].get(scores.metric, math.nan)
    heading = metric_info(scores.metric).heading
    if not math.isclose(scores.macro, reported, abs_tol=_TOLERANCE):
        raise InputError(
            f"{folder / 'predictions.npz'} gives a macro {heading} of "
            f"{scores.macro:.4f}, metrics.json beside it says {reported:.4f}; delete "
            "metrics.json and run the training command again, or leave the folder out."
        )
    return Run(
        folder=folder,
        name=config.name,
        seed=config.seed,
        p_s=config.p_s,
        labelled=document["labels"]["labelled"],
        settings=config.settings,
        metrics=document["macro"] | document["localisation"],
        scores=scores,
        test_set=test_set,
        best_epoch=document["best_epoch"],
        robustness=read_robustness(files.robustness) if files.robustness.is_file() else None,
        validation=_validation(document["validation"], scores, files.metrics),
        labelled_seen=(document.get("trained") or {}).get("labelled_clips"),
    )


def _validation(
    by_name: Mapping[str, NDArray[np.float64]] | None, scores: ClassScores, file: Path
) -> NDArray[np.float64] | None:
    """Return the metric of the test scores on the validation clips, (C); None if not known."""
    if by_name is None:
        return None
    with explained_damage(file):
        validation = by_name[scores.metric]
        if validation.shape != scores.by_class.shape:
            raise ValueError("its validation metrics are not those of its classes")
    return validation


def _unfinished(folders: Sequence[Path]) -> list[Path]:
    """List the folders of runs that have settings and no result."""
    return [
        folder
        for folder in folders_with(folders, "config.yaml")
        if not RunFolder(folder).is_complete
        and is_training_config(text_of_config(RunFolder(folder).config))
    ]
