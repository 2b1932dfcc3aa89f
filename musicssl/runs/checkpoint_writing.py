"""Writing checkpoints: whole or not at all, with all that is needed to rebuild their method."""

import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from musicssl.evaluation.decisions import Decisions
from musicssl.runs.checkpoint import DECISIONS, KEY, read_checkpoint
from musicssl.runs.trust import check_plain


class DescribeCheckpoint(pl.Callback):
    """Put into each checkpoint what it takes to rebuild its method, as JSON text.

    Args:
        config: The resolved configuration of the run, plain dicts, lists, strings and numbers.
        classes: The name of each class, in column order.
        sizes: Keyword arguments of the method that the corpus decided: `num_features`,
            `num_instances`, `num_classes`, `task`.
        data: Hashes of what the run is made from, by name.

    Raises:
        InputError: If there is a value that JSON has no type for, or an interpolation.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        classes: Sequence[str],
        sizes: Mapping[str, Any],
        data: Mapping[str, str] | None = None,
    ) -> None:
        description = {
            "config": dict(config),
            "classes": list(classes),
            "sizes": dict(sizes),
            "version": version("musicssl"),
            **({} if data is None else {"data": dict(data)}),
        }
        check_plain(description, "the configuration")
        self._text = json.dumps(description)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the description."""
        checkpoint[KEY] = self._text


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint whole or not at all, and open it without running code from it."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write beside the target and rename: a kill leaves the previous checkpoint as it was."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        try:
            with part.open("wb") as file:
                _save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)  # on a full disk it would take room for nothing

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: Any = None
    ) -> dict[str, Any]:
        """Read tensors and plain values only."""
        return read_checkpoint(Path(path))


def _save(checkpoint: dict[str, Any], file: IO[bytes]) -> None:
    try:
        torch.save(checkpoint, file)
    except RuntimeError as error:
        # torch closes its archive, which fails after a full disk and after a signal as well
        if isinstance(error.__context__, OSError | KeyboardInterrupt | SystemExit):
            raise error.__context__ from error
        raise


def replace_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Give a checkpoint other weights; the file is whole at any moment."""
    content = read_checkpoint(path)
    content["state_dict"] = {name: value.cpu() for name, value in weights.items()}
    AtomicCheckpointIO().save_checkpoint(content, path)


def keep_decisions(path: Path, decisions: Decisions) -> None:
    """Add to a checkpoint how its scores become decisions; the file is whole at any moment."""
    content = read_checkpoint(path)
    content[DECISIONS] = json.dumps(decisions.plain())
    AtomicCheckpointIO().save_checkpoint(content, path)
