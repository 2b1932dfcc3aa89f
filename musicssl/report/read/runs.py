"""The runs that a report is about."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError
from musicssl.evaluation.metrics import metric_info
from musicssl.evaluation.robustness_table import Robustness
from musicssl.report.read.discovery import check_folders, holding, is_of_a_run
from musicssl.report.read.run_files import (
    read_config,
    read_corrupted,
    read_metrics,
    read_predictions,
)
from musicssl.report.read.run_scores import Judgement, judge
from musicssl.report.read.settings import relevant_settings
from musicssl.report.read.test_set import Truth, check_comparable
from musicssl.runs.folder import RunFolder

_TOLERANCE = 1e-4  # metrics.json has its AUROC from sums in float32


@dataclass(frozen=True, eq=False)
class Run:
    """A complete run.

    Attributes:
        folder: As it was found.
        name: The setting `name`.
        seed: The setting `seed`.
        p_s: Fraction of the labelled training clips that kept their labels.
        labelled: Number of these clips.
        settings: What else has a bearing on the results, by path.
        metrics: Macro metrics and those of localisation by name, NaN where undefined.
        judgement: By class, and of each test clip.
        truth: What it was tested on.
        best_epoch: The one whose weights were kept; None for a method without epochs.
        robustness: Its metrics under corruptions of sound; None if it was not tested so.
        validation: `judgement.metric` of the validation clips by class, (C), NaN where undefined;
            None for a run of an older version.
    """

    folder: Path
    name: str
    seed: int
    p_s: float
    labelled: int
    settings: Mapping[str, str]
    metrics: Mapping[str, float]
    judgement: Judgement
    truth: Truth
    best_epoch: int | None
    robustness: Robustness | None
    validation: NDArray[np.float64] | None

    @property
    def predictions(self) -> Path:
        """Scores and truth of the test clips."""
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
    for folder in holding(folders, "metrics.json"):
        run = read_run(folder)
        if runs:
            check_comparable(runs[0].folder, runs[0].truth, run.folder, run.truth)
            run = replace(run, truth=runs[0].truth)  # one copy is enough
        runs.append(run)
    if not runs:
        listed = ", ".join(map(str, folders))
        raise InputError(f"no complete run under {listed}; train one, or name the folder of runs.")
    return runs, _unfinished(folders)


def read_run(folder: Path) -> Run:
    """Read one complete run.

    Raises:
        InputError: If a file of it is missing, damaged or at odds with another.
    """
    files = RunFolder(folder)
    config, document = read_config(files.config), read_metrics(files.metrics)
    settings = relevant_settings(config)
    scores, truth = read_predictions(folder / "predictions.npz", settings)
    judgement = judge(scores, truth)
    reported = document["macro"].get(judgement.metric, math.nan)
    heading = metric_info(judgement.metric).heading
    if not math.isclose(judgement.macro, reported, abs_tol=_TOLERANCE):
        raise InputError(
            f"{folder / 'predictions.npz'} gives a macro {heading} of "
            f"{judgement.macro:.4f}, metrics.json beside it says {reported:.4f}; delete "
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
        judgement=judgement,
        truth=truth,
        best_epoch=document["best_epoch"],
        robustness=read_corrupted(files.robustness),
        validation=None if validation is None else validation[judgement.metric],
    )


def _unfinished(folders: Sequence[Path]) -> list[Path]:
    """Find runs without a result; other programs keep a config.yaml too, of another form."""
    return [
        folder
        for folder in holding(folders, "config.yaml")
        if not RunFolder(folder).is_complete and is_of_a_run(RunFolder(folder).config.read_text())
    ]
