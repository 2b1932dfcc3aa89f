"""`finetune=...` of a run: reads the weights to start from and applies the settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musicssl.errors import InputError
from musicssl.inference.exported import CONFIG, read_exported
from musicssl.methods.base.fine_tuning import FineTuning
from musicssl.methods.base.learner import Learner
from musicssl.runs.pretrained import check_one_start, hear_module, weights_of
from musicssl.runs.starting import Start, start_file, start_identity, start_method


def fine_tuning(settings: Mapping[str, Any]) -> FineTuning:
    """Check the settings `finetune` of a run, and return them without the checkpoint.

    Args:
        settings: Settings of the run, plain values.

    Raises:
        InputError: If one is invalid, or there is nothing to start from.
    """
    given = dict(settings["finetune"])
    checkpoint = given.pop("checkpoint")
    given.pop("teacher", None)  # is no start
    unknown = given.keys() - FineTuning.__dataclass_fields__.keys()
    if unknown:
        raise InputError(f"there is no setting finetune.{min(unknown)}; leave it out.")
    chosen = FineTuning(**given)
    weights = weights_of(settings["method"])
    check_one_start(weights, checkpoint)
    trained = weights is not None or hear_module(settings["method"]) is not None
    if chosen.given and checkpoint is None and not trained:
        raise InputError(
            f"{chosen.given[0]} needs trained weights; type finetune.checkpoint=FILE, or leave "
            f"{chosen.given[0]} out."
        )
    return chosen


def start(
    method: Learner,
    settings: Mapping[str, Any],
    classes: Sequence[str],
    sizes: Mapping[str, Any],
) -> tuple[str | None, list[str]]:
    """Fill a method with the weights that its run starts from, if there are any, and adapt it.

    Args:
        method: Method of the run.
        settings: Settings of the run, plain values.
        classes: Classes of the corpus.
        sizes: Sizes of the corpus, with which the method was built.

    Returns:
        The hash of these weights, and sentences on what was taken and how it is trained.

    Raises:
        InputError: If the weights do not fit, or a setting of `finetune` is invalid.
    """
    chosen = fine_tuning(settings)
    checkpoint, digest = settings["finetune"]["checkpoint"], None
    said: list[str] = []
    if checkpoint is not None:
        found = _read(Path(str(checkpoint)).expanduser())
        digest, said = found.digest, start_method(method, found, classes, settings, sizes)
    return digest, [*said, *method.fine_tune(chosen)]


def _read(path: Path) -> Start:
    """Read a checkpoint, that of the folder of a run, or an exported folder."""
    file = start_file(path)
    if file.name != CONFIG:
        return Start.of_checkpoint(file)
    model = read_exported(file.parent)
    return Start(
        path=path,
        digest=start_identity(path),
        classes=model.classes,
        state={f"classifier.{name}": value for name, value in model.weights.items()},
        encoder=model.encoder,
        features=model.features,
        sizes=model.sizes,
    )
