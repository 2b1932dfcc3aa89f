"""Decision thresholds and calibration of a run: chosen on validation, kept, and reported."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.label_grid import fits_label_frames
from musicssl.evaluation.decisions import (
    Decisions,
    calibrated,
    choose_decisions,
    choose_events,
    f1_at,
    log_loss,
    reliability,
    share_correlation,
)
from musicssl.evaluation.predictions import Predictions, predict_instances
from musicssl.evaluation.tasks import task_named
from musicssl.figures.reliability import draw_reliability
from musicssl.figures.threshold_study import draw_threshold_study
from musicssl.runs.artifacts.localisation import in_places
from musicssl.runs.checkpoint_writing import keep_decisions
from musicssl.runs.folder import RunFolder

EventSettings = tuple[NDArray[np.float64], NDArray[np.float64]]


def write_decisions(
    folder: RunFolder,
    validation: Predictions,
    test: Predictions,
    events: EventSettings | None = None,
    shares: NDArray[np.floating] | None = None,
) -> dict[str, Any] | None:
    """Choose thresholds and temperatures, put them into the checkpoint, and test them.

    Args:
        folder: Folder of the run.
        validation: Scores of the validation clips, with the labels that the run may see.
        test: Scores of the test clips.
        events: Thresholds and filters of events; see `events_on_validation`.
        shares: Shares of the training labels of each class that are present, (C,), to draw
            thresholds over; NaN for a class without labels.

    Returns:
        Their entry in metrics.json; None for a regression.
    """
    if not task_named(test.task).has_classes:
        return None
    chosen = choose_decisions(
        validation.task, validation.scores, validation.targets, validation.mask
    )
    assert chosen is not None
    if events is not None:
        chosen = replace(chosen, event_thresholds=events[0], median_seconds=events[1])
    if folder.best.is_file():
        keep_decisions(folder.best, chosen)
    several = not task_named(test.task).one_class_per_clip
    study = _threshold_study(folder, chosen, validation, shares) if several else {}
    return {**chosen.plain(), **_tested(folder, chosen, test), **study}


def events_on_validation(
    method: Any, datamodule: SemiSupervisedDataModule, mask: NDArray[np.bool_]
) -> EventSettings | None:
    """Choose thresholds and median filters of events; None if nothing says when classes sound.

    Args:
        method: Trained, in evaluation mode.
        datamodule: Data module that it was trained with.
        mask: True where the run may see the label of a validation clip, (N, C).
    """
    corpus, rows = datamodule.corpus, datamodule.rows("val")
    network = getattr(method, "network", None)
    if corpus.activity is None or network is None or len(rows) == 0:
        return None
    chunk = getattr(network.encoder, "chunk_samples", None)
    if not fits_label_frames(chunk, corpus):
        return None
    first = predict_instances(method, datamodule.batches_of(rows[:1]))
    if not in_places(corpus, rows[:1], first):
        return None
    found = predict_instances(method, datamodule.batches_of(rows))
    if not in_places(corpus, rows, found):
        return None
    known = min(found.scores.shape[1], corpus.activity.shape[1])  # of the last part of a second
    activity = corpus.activity[rows, :known]
    scores, valid = found.scores[:, :known], found.valid[:, :known]
    return choose_events(scores, activity, valid, mask, corpus.instance_seconds)


def decisions_sentence(document: dict[str, Any]) -> str | None:
    """Say how much thresholds from validation change F1; None if there are none.

    Args:
        document: The content of a metrics.json.
    """
    found = document.get("decisions")
    if not found or found.get("macro_f1") is None:
        return None
    text = (
        f"Mean F1 {found['macro_f1_at_half']:.3f} if a class is present from 0.5 up, "
        f"{found['macro_f1']:.3f} with the thresholds chosen on validation."
    )
    if (r := found.get("share_correlation")) is None:
        return text
    return f"{text[:-1]} (their correlation with the classes' shares of labels: {r:.2f})."


def _threshold_study(
    folder: RunFolder,
    chosen: Decisions,
    validation: Predictions,
    shares: NDArray[np.floating] | None,
) -> dict[str, Any]:
    """Draw thresholds over the shares of labels; classes without a threshold of their own stay out.

    Returns:
        The shares and their correlation with the thresholds, as metrics.json has them.
    """
    if shares is None:
        return {}
    present = ((validation.targets >= 0.5) & validation.mask).any(axis=0)  # otherwise 0.5
    drawn = np.where(present, shares, np.nan)
    r = share_correlation(chosen.thresholds, drawn)
    draw_threshold_study(folder.figures, validation.classes, chosen.thresholds, drawn, r)
    return {"label_shares": shares.tolist(), "share_correlation": r}


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
