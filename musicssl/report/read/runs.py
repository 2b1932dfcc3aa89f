"""The training runs that a report is about."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.errors import InputError
from musicssl.evaluation.metrics import metric_info
from musicssl.evaluation.regression import regression_metrics
from musicssl.evaluation.robustness_table import Robustness, read_robustness
from musicssl.evaluation.statistics.delong import macro_auroc
from musicssl.report.read.evaluation_set import EvaluationSet, check_comparable
from musicssl.report.read.files import (
    check_folders,
    folders_with,
    is_training_config,
    read_config,
    read_metrics,
    read_predictions,
)
from musicssl.report.read.settings import relevant_settings
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


def class_scores(scores: NDArray[np.floating], test_set: EvaluationSet) -> ClassScores:
    """Measure scores, (N, C), class by class: by AUROC, or by R² of a regression."""
    if test_set.has_classes:
        result = macro_auroc(scores, test_set.present, test_set.mask)
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
        scores: Of each class, on the test clips.
        test_set: The test clips.
        best_epoch: The one whose weights were kept; None for a method without epochs.
        robustness: Its metrics under corruptions of sound; None if it was not tested under any.
        validation: `scores.metric` of the validation clips by class, (C), NaN where undefined;
            None for a run of an older version.
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

    @property
    def predictions(self) -> Path:
        """The file with scores and targets of the test clips."""
        return self.folder / "predictions.npz"


def read_runs(folders: Sequence[Path]) -> tuple[list[Run], list[Path]]:
    """Read all complete runs under some folders, each once though the folders may overlap.

    Returns:
        The runs, and the folders of runs that are not finished.

    Raises:
        InputError: If there is no complete run, one is damaged, or two do not compare.
    """
    check_folders(folders)
    runs: list[Run] = []
    for folder in folders_with(folders, "metrics.json"):
        run = read_run(folder)
        if runs:
            check_comparable(runs[0].folder, runs[0].test_set, run.folder, run.test_set)
            run = replace(run, test_set=runs[0].test_set)  # one copy is enough
        runs.append(run)
    if not runs:
        names = ", ".join(map(str, folders))
        raise InputError(f"no complete run under {names}; train one, or name the folder of runs.")
    return runs, _unfinished(folders)


def read_run(folder: Path) -> Run:
    """Read one complete run.

    Raises:
        InputError: If a file of it is missing, damaged or at odds with another.
    """
    files = RunFolder(folder)
    config, document = read_config(files.config), read_metrics(files.metrics)
    settings = relevant_settings(config)
    values, test_set = read_predictions(folder / "predictions.npz", settings)
    scores = class_scores(values, test_set)
    reported = document["macro"].get(scores.metric, math.nan)
    heading = metric_info(scores.metric).heading
    if not math.isclose(scores.macro, reported, abs_tol=_TOLERANCE):
        raise InputError(
            f"{folder / 'predictions.npz'} gives a macro {heading} of "
            f"{scores.macro:.4f}, metrics.json beside it says {reported:.4f}; delete "
            "metrics.json and run the training command again, or leave the folder out."
        )
    validation = document["validation"]
    return Run(
        folder=folder,
        name=str(config["name"]),
        seed=int(config["seed"]),
        p_s=float(config["data"]["p_s"]),
        labelled=document["labels"]["labelled"],
        settings=settings,
        metrics=document["macro"] | document["localisation"],
        scores=scores,
        test_set=test_set,
        best_epoch=document["best_epoch"],
        robustness=read_robustness(files.robustness) if files.robustness.is_file() else None,
        validation=None if validation is None else validation[scores.metric],
    )


def _unfinished(folders: Sequence[Path]) -> list[Path]:
    """List the folders of runs that have settings and no result."""
    return [
        folder
        for folder in folders_with(folders, "config.yaml")
        if not RunFolder(folder).is_complete
        and is_training_config(RunFolder(folder).config.read_text())
    ]
