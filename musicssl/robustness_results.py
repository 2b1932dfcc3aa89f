"""A run's test under corruptions of the sound: which they are, and what is left in its folder."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from rich.console import Console

from musicssl.augment.chain import Transform
from musicssl.corpus import Corpus
from musicssl.corruptions import corruptions
from musicssl.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.methods.base import ClassificationMethod
from musicssl.metrics import USUAL, usual_metric
from musicssl.report.robustness_curve import draw_robustness_curves
from musicssl.robustness import robustness
from musicssl.robustness_table import read_robustness
from musicssl.run_folder import RunFolder

Corruptions = Mapping[str, Callable[[float], Transform]]


def chosen_corruptions(names: str | Sequence[str], corpus: Corpus) -> Corruptions:
    """Return corruptions by name, for the sound of a corpus.

    Args:
        names: One, some, or "all".
        corpus: Whose clips are to be corrupted.

    Raises:
        InputError: If there is no such corruption, or the clips are no sound.
    """
    if isinstance(corpus.x, np.ndarray):
        raise InputError(
            "corruption=... changes sound, but this run reads instances; choose an encoder of "
            "sound, such as encoder=cnn, or leave it out."
        )
    known = corruptions(corpus.x.sample_rate)
    chosen = list(known) if names == "all" else [names] if isinstance(names, str) else list(names)
    for name in chosen:
        if name not in known:
            raise InputError(
                f"there is no corruption {name!r}; choose all, or of {', '.join(known)}."
            )
    return {name: known[name] for name in chosen}


def show_robustness(folder: RunFolder, console: Console) -> None:
    """Say what clean clips score, and what the corruptions that harm most make of it."""
    table = read_robustness(folder.robustness)
    metric = usual_metric(table.clean)
    worst = {name: macros[-1][metric] for name, macros in table.corrupted.items()}
    listed = ", ".join(f"{worst[name]:.3f} {name}" for name in sorted(worst, key=worst.__getitem__))
    console.print(
        f"{USUAL[metric]} of clean clips {table.clean[metric]:.3f}; at severity "
        f"{table.severities[-1]:g}: {listed}.",
        highlight=False,
    )


def write_robustness(
    folder: RunFolder,
    datamodule: SemiSupervisedDataModule,
    method: ClassificationMethod,
    chosen: Corruptions,
    severities: Sequence[float],
) -> None:
    """Test a method under corruptions; write robustness.csv, row by row, and a picture.

    Args:
        folder: Of the run; corruptions that its table has are not tested again.
        datamodule: That the method was trained with.
        method: In evaluation mode.
        chosen: See `chosen_corruptions`.
        severities: Above 0 and at most 5, ascending.
    """
    result = robustness(
        method,
        datamodule.batches("test"),
        chosen,
        measure=method.task.metrics,
        severities=[float(severity) for severity in severities],
        path=folder.robustness,
    )
    draw_robustness_curves(folder.figures, {folder.path.name: result}, usual_metric(result.clean))
