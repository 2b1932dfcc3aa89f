"""Which runs of a sweep can be trained side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.utils import get_class

from musicssl.runs.settings import flattened, has_bearing, value_text

_PRECISIONS = ("auto", "32-true", "bf16-mixed")
_CONSISTENT = ("seed", "data.seed", "data.p_s")  # these may differ, and the next ones
_PARTS_MAY_DIFFER = ("optimizer", "encoder")
_NUMBERS_MAY_DIFFER = ("lr", "weight_decay", "dropout")


@dataclass(frozen=True)
class Together:
    """Jobs of a sweep that are done together.

    Attributes:
        jobs: Their numbers.
        said: A message about them for the user; may be empty.
    """

    jobs: tuple[int, ...]
    said: str = ""


def together(jobs: Sequence[Mapping[str, Any] | None], most: int) -> list[Together]:
    """Divide the jobs of a sweep into groups of runs of the same shape.

    Args:
        jobs: Their settings, plain values; None for a job with invalid settings.
        most: Runs of a group, at most.

    Returns:
        The groups, in the order of their first jobs. A run that occurs twice is in two of them.
    """
    groups: list[list[int]] = []
    open_groups: dict[str, list[int]] = {}
    said: dict[int, str] = {}
    reasons: set[str] = set()
    for number, settings in enumerate(jobs):
        reason = None if settings is None else why_alone(settings)
        if settings is None or reason is not None:
            groups.append([number])
            if reason is not None and reason not in reasons:
                reasons.add(reason)
                said[number] = reason
            continue
        shape = _shape(settings)
        group = open_groups.get(shape)
        if group is None or len(group) >= most or any(jobs[n] == settings for n in group):
            group = open_groups[shape] = []
            groups.append(group)
        group.append(number)
    return [Together(tuple(group), _said(group, said)) for group in groups]


def _said(group: Sequence[int], said: Mapping[int, str]) -> str:
    if len(group) > 1:
        return f"{len(group)} runs are trained side by side."
    return said.get(group[0], "")


def why_alone(settings: Mapping[str, Any]) -> str | None:
    """Return why a run is trained by itself, one sentence; None if others can be trained with it.

    Args:
        settings: Settings of the run, plain values.
    """
    reason = _reason(settings)
    if reason is None:
        return None
    return f"Not trained side by side with other runs: {reason}."


def _reason(settings: Mapping[str, Any]) -> str | None:
    trainer, finetune = settings["trainer"], settings["finetune"]
    if not getattr(get_class(settings["method"]["_target_"]), "stacks", False):
        return f"method={settings['name']}; only att, supervised and mean_teacher can be"
    features = settings.get("features") or {}
    if str(features.get("_target_")).endswith(".Waveform"):
        return "the encoder reads sound; only encoders of instances can be"
    if trainer["devices"] not in (1, "1"):
        return f"trainer.devices={value_text(trainer['devices'])}; set it to 1"
    if trainer["precision"] not in _PRECISIONS:
        return f"trainer.precision={trainer['precision']}; choose one of {', '.join(_PRECISIONS)}"
    if settings["compile"] not in ("auto", "off"):
        return f"compile={settings['compile']}; leave it out"
    if trainer["accumulate_grad_batches"] != 1:
        return "trainer.accumulate_grad_batches; set it to 1"
    if trainer.get("callbacks"):
        return "callbacks that are called at each step (trainer.callbacks)"
    if any(finetune[name] for name in ("checkpoint", "frozen", "lora", "layer_decay")):
        return "runs that start from a checkpoint or have frozen parts (finetune)"
    if str((settings.get("logger") or {}).get("_target_")).startswith("musicssl.runs.dashboard"):
        return "logger=wandb, which follows one run at a time; choose logger=csv"
    return None


def _shape(settings: Mapping[str, Any]) -> str:
    """Write all that runs must have in common to be trained side by side."""
    leaves = flattened(settings)
    by_labels = settings["data"]["epoch_of"] in ("labelled", "unlabelled")  # p_s decides its length
    return "\n".join(
        f"{key}={value_text(value)}"
        for key, value in sorted(leaves.items())
        if (has_bearing(key) and not _may_differ(key)) or (by_labels and key == "data.p_s")
    )


def _may_differ(key: str) -> bool:
    parts = key.split(".")
    if key in _CONSISTENT:
        return True
    return len(parts) > 1 and parts[-2] in _PARTS_MAY_DIFFER and parts[-1] in _NUMBERS_MAY_DIFFER
