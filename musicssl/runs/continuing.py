"""Training a complete run on, in another folder: `continue_from`."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musicssl.cache import discard
from musicssl.errors import InputError
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.folder import RunFolder
from musicssl.runs.settings import differences

_BUDGETS = ("max_steps", "max_epochs")  # of the trainer
_MAY_DIFFER = (
    *("name", "continue_from", "patience", "select"),
    *(f"trainer.{budget}" for budget in _BUDGETS),
)


def state_to_train_on(
    folder: RunFolder, settings: Mapping[str, Any], made_of: Mapping[str, str]
) -> Path:
    """Return the last state of the complete run `continue_from`, to go on from.

    Its best epoch is copied, because the new run may have no better one. The weights, the
    optimizer, the history and the step are those of that run, so that the runs together are one
    longer training. The learning rate follows the schedule of the longer run from there.

    Args:
        folder: Folder of the run that goes on, which has no state of its own yet.
        settings: Settings of the run that goes on.
        made_of: Hashes of what it is made from, by name.

    Raises:
        InputError: If there is no such run, it differs in more than its length, or it has trained
            for as long already.
    """
    name = f"continue_from={settings['continue_from']}"
    earlier = RunFolder(Path(settings["continue_from"]).expanduser())
    if not earlier.is_complete or not earlier.last.is_file():
        raise InputError(
            f"{name} holds no complete run of a network; name the folder of a run, in which "
            "metrics.json and checkpoints/last.ckpt are. A run that was interrupted goes on with "
            "the command that began it."
        )
    changed = [
        change
        for change in differences(earlier.settings(), settings)
        if change.partition(":")[0] not in _MAY_DIFFER
    ]
    if changed:
        raise InputError(
            f"{name} has other settings ({', '.join(changed[:3])}); type those of that run, or "
            "start from its weights alone with finetune.checkpoint=."
        )
    _check_longer(name, earlier.settings()["trainer"], settings["trainer"])
    data = Checkpoint.read(earlier.last).data
    other = [part for part, value in data.items() if made_of.get(part, value) != value]
    if other:
        raise InputError(
            f"{name} was made from other {' and '.join(other)} than there are now; start from its "
            "weights alone with finetune.checkpoint=."
        )
    _copy(earlier.best, folder.best)
    return earlier.last


def _check_longer(name: str, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Check that the new run trains for longer, in the unit of the earlier run."""
    for budget in _BUDGETS:
        before, then = earlier.get(budget), now.get(budget)
        if before is None or before == -1:
            continue
        if then is None or then == -1 or then <= before:
            raise InputError(
                f"{name} has trained with trainer.{budget}={before}; set more, such as "
                f"trainer.{budget}={2 * before}."
            )
        return


def _copy(source: Path, target: Path) -> None:
    """Copy a file so that it is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(source, part)
        part.replace(target)
    finally:
        discard(part)
