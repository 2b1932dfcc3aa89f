"""How a network that starts from trained weights is trained further: the settings `finetune`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from musicssl.errors import InputError


@dataclass(frozen=True)
class FineTuning:
    """Which weights are trained, from which epoch, and at which learning rates.

    Args:
        frozen: Parts of the classifier that keep their weights and statistics.
        unfreeze_epoch: Number of epochs after which they are trained all the same; None for never.
        layer_decay: Factor of the learning rate for each block of the encoder farther from the top
            (`musicssl.networks.depth`); None for one rate.
        lora: Rank of the factors that are trained instead of the encoder's weights
            (`musicssl.networks.low_rank`); None to train the weights.
        lora_alpha: The product of the factors is scaled by `lora_alpha` / `lora`; None for 1.

    Raises:
        InputError: If a setting is invalid, or has no effect.
    """

    frozen: Sequence[str] = ()
    unfreeze_epoch: int | None = None
    layer_decay: float | None = None
    lora: int | None = None
    lora_alpha: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.frozen is None or isinstance(self.frozen, bool | int | float):
            raise InputError(
                "finetune.frozen names parts, such as [encoder], or none, [], but it is "
                f"{'null' if self.frozen is None else self.frozen}."
            )
        for name in ("unfreeze_epoch", "lora"):
            value = getattr(self, name)
            if value is not None and not (type(value) is int and value >= 1):
                raise InputError(f"finetune.{name} must be a whole number from 1 up, got {value}.")
        decay, alpha = self.layer_decay, self.lora_alpha
        if decay is not None and not (_is_number(decay) and 0 < decay <= 1):
            raise InputError(
                f"finetune.layer_decay must be above 0 and at most 1, such as 0.7, got {decay}."
            )
        if alpha is not None and not (_is_number(alpha) and alpha > 0):
            raise InputError(f"finetune.lora_alpha must be a number above 0, got {alpha}.")
        if alpha is not None and self.lora is None:
            raise InputError("finetune.lora_alpha has no effect alone; add finetune.lora=RANK.")
        if self.unfreeze_epoch is not None and not self.frozen:
            raise InputError(
                "finetune.unfreeze_epoch ends the time of finetune.frozen; name parts to freeze, "
                "such as finetune.frozen=[encoder]."
            )
        in_encoder = [part for part in self.names if part.partition(".")[0] == "encoder"]
        if self.lora is not None and in_encoder:
            raise InputError(
                "finetune.lora freezes the encoder by itself; leave "
                f"{', '.join(in_encoder)} out of finetune.frozen."
            )

    @property
    def names(self) -> list[str]:
        """The frozen parts; one may be given without a list."""
        return [self.frozen] if isinstance(self.frozen, str) else list(self.frozen)

    @property
    def given(self) -> list[str]:
        """The names of the settings that ask for something."""
        values = ("frozen", "unfreeze_epoch", "layer_decay", "lora", "lora_alpha")
        return [f"finetune.{name}" for name in values if getattr(self, name) not in (None, [], ())]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
