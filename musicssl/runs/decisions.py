"""Decision thresholds and calibration of a run: chosen on validation, kept, and reported."""

from typing import Any

import numpy as np
import torch

from musicssl.evaluation.decisions import (
    Decisions,
    calibrated,
    choose_decisions,
    f1_at,
    log_loss,
    reliability,
)
from musicssl.evaluation.predictions import Predictions
from musicssl.evaluation.tasks import task_named
from musicssl.figures.reliability import draw_reliability
from musicssl.runs.checkpoint import keep_decisions
from musicssl.runs.folder import RunFolder


def write_decisions(
    folder: RunFolder, validation: Predictions, test: Predictions
) -> dict[str, Any] | None:
    """Choose thresholds and temperatures, put them into the checkpoint, and test them.

    Args:
        folder: Of the run.
        validation: Scores of the validation clips, with the labels that the run may see.
        test: Scores of the test clips.

    Returns:
        What metrics.json says of them; None for a regression.
    """
    if not task_named(test.task).has_classes:
        return None
    chosen = choose_decisions(
        validation.task, validation.scores, validation.targets, validation.mask
    )
    assert chosen is not None
    if folder.best.is_file():
        keep_decisions(folder.best, chosen)
    return {**chosen.plain(), **_tested(folder, chosen, test)}


def decisions_sentence(document: dict[str, Any]) -> str | None:
    """Say how much thresholds from validation change F1; None if there are none.

    Args:
        document: The content of a metrics.json.
    """
    found = document.get("decisions")
    if not found or found.get("macro_f1") is None:
        return None
    return (
        f"Mean F1 {found['macro_f1_at_half']:.3f} if a class is present from 0.5 up, "
        f"{found['macro_f1']:.3f} with the thresholds chosen on validation."
    )


def _tested(folder: RunFolder, chosen: Decisions, test: Predictions) -> dict[str, Any]:
    mask = task_named(test.task).usable(torch.from_numpy(test.mask)).numpy()
    fitted = calibrated(test.task, test.scores, chosen.temperatures)
    both = {"as predicted": test.scores, "calibrated on validation": fitted}
    curves = {name: reliability(scores, test.targets, mask) for name, scores in both.items()}
    draw_reliability(folder.figures, curves)
    before, after = curves.values()
    result: dict[str, Any] = {
        "log_loss": log_loss(test.scores, test.targets, mask),
        "log_loss_calibrated": log_loss(fitted, test.targets, mask),
        "calibration_error": before.error,
        "calibration_error_calibrated": after.error,
    }
    if task_named(test.task).one_class_per_clip:
        return result
    f1 = f1_at(chosen.thresholds, test.scores, test.targets, mask)
    at_half = f1_at(0.5, test.scores, test.targets, mask)
    defined = ~np.isnan(f1)
    columns = {"macro_f1": f1, "macro_f1_at_half": at_half}
    means = {
        name: float(column[defined].mean()) if defined.any() else None
        for name, column in columns.items()
    }
    return {**result, **means, "f1": f1.tolist(), "f1_at_half": at_half.tolist()}
