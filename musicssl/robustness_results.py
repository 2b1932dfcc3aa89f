"""A run's test under corruptions of the sound: which they are, and what is left in its folder."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from musicssl.augment.chain import Transform
from musicssl.corpus import Corpus
from musicssl.corruptions import corruptions
from musicssl.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.methods.base import ClassificationMethod
from musicssl.metrics import usual_metric
from musicssl.report.robustness_curve import draw_robustness_curves
from musicssl.robustness import robustness
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
