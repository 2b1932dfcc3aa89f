"""The check of whether clips of a corpus can be mixed."""

from musicssl.augment.mixing.add import Add
from musicssl.augment.mixing.mixing import Mixing, NoMixing
from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task

NO_MIXING = NoMixing()


def check_mixing(mixing: Mixing, task: Task) -> Mixing:
    """Return the mixing of a method.

    Raises:
        InputError: If clips are added although the sum of two clips has no target of the task.
    """
    if isinstance(mixing, Add) and (task.one_class_per_clip or not task.has_classes):
        why = "has the classes of both" if task.has_classes else "has no target of its own"
        raise InputError(
            f"mixing=add adds two clips, and the sum {why}, but the targets of this corpus are "
            f"{task.name}; choose mixing=mixup."
        )
    return mixing
