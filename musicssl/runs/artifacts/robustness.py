"""A run's test under corruptions of the sound: which they are, and what is left in its folder."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from musicssl.augment.chain import Transform
from musicssl.augment.corruptions import corruptions
from musicssl.data.corpus import Corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError, printable
from musicssl.evaluation.metrics import Metrics, metric_info, primary_metric
from musicssl.evaluation.multi_class import weighted_accuracy
from musicssl.evaluation.predictions import Scorer
from musicssl.evaluation.robustness import Measure, robustness
from musicssl.evaluation.robustness_table import read_robustness
from musicssl.evaluation.tasks import task_named
from musicssl.figures.robustness_curve import draw_robustness_curves
from musicssl.runs.folder import ResultFolder

Corruptions = Mapping[str, Callable[[float], Transform]]


def chosen_severities(severities: object) -> tuple[float, ...]:
    """Return severities as they may be given, one number or several.

    Raises:
        InputError: If they are no numbers, not above 0 and at most 5, or not ascending.
    """
    given: Sequence[Any] = severities if isinstance(severities, list | tuple) else [severities]
    for severity in given:
        if isinstance(severity, bool) or not isinstance(severity, int | float):
            raise InputError(f"severities must be numbers such as [1,2,5], got {severity}.")
        if not 0 < severity <= 5:
            raise InputError(f"severities must lie above 0 and not above 5, got {severity:g}.")
    if not given or list(given) != sorted(set(given)):
        raise InputError(f"severities must be one or more, ascending, got {list(given)}.")
    return tuple(float(severity) for severity in given)


def chosen_corruptions(
    names: str | Sequence[str], sample_rate: int | None, severities: Sequence[float]
) -> Corruptions:
    """Return corruptions by name, for the sound of a corpus.

    Args:
        names: One, some, or "all".
        sample_rate: Sample rate of the sound, in Hz; None if the clips are not sound.
        severities: At which; see `chosen_severities`.

    Raises:
        InputError: If there is no such corruption, or none at this sample rate, or the clips are no
            sound.
    """
    if sample_rate is None:
        raise InputError(
            "corruption=... changes sound, but this run reads instances; choose an encoder of "
            "sound, such as encoder=cnn, or leave it out."
        )
    known = corruptions(sample_rate)
    chosen = list(known) if names == "all" else [names] if isinstance(names, str) else list(names)
    for name in chosen:
        if name not in known:
            raise InputError(
                f"there is no corruption {name!r}; choose all, or of {', '.join(known)}."
            )
        _build(name, known[name], severities)
    return {name: known[name] for name in chosen}


def _build(
    name: str, corruption: Callable[[float], Transform], severities: Sequence[float]
) -> None:
    """Let a corruption say now, not after training, that it cannot be."""
    try:
        for severity in severities:
            corruption(severity)
    except InputError as error:
        raise InputError(
            f"corruption={name} needs another features.sample_rate, or leave it out: {error}"
        ) from error


def show_robustness(folder: ResultFolder, console: Console) -> None:
    """Print the score of clean clips, and the scores under the most harmful corruptions."""
    table = read_robustness(folder.robustness)
    metric = primary_metric(table.clean)
    if not table.judged:
        return
    hardest = table.severities[-1]
    harmed = sorted(
        (macro[metric], name) for (name, s), macro in table.judged.items() if s == hardest
    )
    listed = ", ".join(f"{value:.3f} {name}" for value, name in harmed)
    console.print(
        f"{metric_info(metric).heading} of clean clips {table.clean[metric]:.3f}; "
        f"at severity {hardest:g}: {printable(listed)}.",
        highlight=False,
        markup=False,
    )


def write_robustness(
    folder: ResultFolder,
    datamodule: SemiSupervisedDataModule,
    method: Scorer,
    chosen: Corruptions,
    severities: Sequence[float],
) -> None:
    """Test a method under corruptions; write robustness.csv, row by row, and a picture.

    If the corpus gives partial credit for answers, `weighted_accuracy` is measured too; but a table
    that was begun without it goes on without it.

    Args:
        folder: Folder of the run; corruptions that its table has are not tested again.
        datamodule: Data module of the test clips.
        method: In evaluation mode.
        chosen: See `chosen_corruptions`.
        severities: See `chosen_severities`.
    """
    result = robustness(
        method,
        datamodule.batches("test"),
        chosen,
        measure=_measure(datamodule.corpus),
        severities=severities,
        path=folder.robustness,
    )
    draw_robustness_curves(folder.figures, {folder.path.name: result}, primary_metric(result.clean))


def _measure(corpus: Corpus) -> Measure:
    """Return what judges scores as the corpus has it: by its task, and by its credit if any."""
    task, credit = task_named(corpus.task), corpus.credit
    if credit is None:
        return task.metrics
    worth = torch.from_numpy(credit)

    def measure(scores: Tensor, targets: Tensor, mask: Tensor, log_odds: Tensor) -> Metrics:
        metrics = task.metrics(scores, targets, mask, log_odds)
        metrics.macro["weighted_accuracy"] = weighted_accuracy(scores, targets, mask, worth)
        return metrics

    return measure
