"""Checkpoints: whole, safe to open, and enough by themselves to rebuild their method."""

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from musicssl.errors import InputError
from musicssl.methods.base.method import ClassificationMethod
from musicssl.runs.trust import CORPUS_PARTS, METHOD_PARTS, check_parts

_KEY = "musicssl"
_FORMER_MODULES = {  # where 0.1.0 had the parts that its checkpoints name; dropped with 0.3
    **{
        f"musicssl.augment.{name}": f"musicssl.augment.instances.{name}"
        for name in ("feature_gain", "feature_mask", "gain", "noise", "resample", "tilt")
    },
    **{
        f"musicssl.augment.{name}": f"musicssl.augment.sound.{name}"
        for name in ("level", "polarity", "white_noise")
    },
    **{
        f"musicssl.{name}": f"musicssl.networks.{name}"
        for name in ("pooling", "projector", "teacher", "thresholds")
    },
    "musicssl.features.log_mel": "musicssl.audio.log_mel",
    "musicssl.features.waveform": "musicssl.audio.waveform",
    "musicssl.likelihoods": "musicssl.losses.likelihoods",
    "musicssl.similarity": "musicssl.losses.similarity",
    "musicssl.views": "musicssl.augment.views",
}


class DescribeCheckpoint(pl.Callback):
    """Put into each checkpoint what it takes to rebuild its method.

    Args:
        config: The resolved configuration of the run, plain dicts, lists, strings and numbers.
        classes: The name of each class, in column order.
        sizes: Keyword arguments of the method that the corpus decided: `num_features`,
            `num_instances`, `num_classes`, `task`.
    """

    def __init__(
        self, config: Mapping[str, Any], classes: Sequence[str], sizes: Mapping[str, Any]
    ) -> None:
        self.description = {
            "config": config,
            "classes": list(classes),
            "sizes": dict(sizes),
            "version": version("musicssl"),
        }

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the description."""
        checkpoint[_KEY] = self.description


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint whole or not at all, and open it without running code from it."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write beside the target and rename: a kill leaves the previous checkpoint as it was."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        with part.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: Any = None
    ) -> dict[str, Any]:
        """Read tensors and plain values only."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of a musicssl run onto the CPU; no pickle in it is executed.

    Raises:
        InputError: If the file is missing, damaged, or not one of ours.
    """
    if not path.is_file():
        raise InputError(
            f"there is no checkpoint {path}; runs keep theirs in checkpoints/best.ckpt."
        )
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on foreign bytes torch's reader raises whatever it stumbles over
        raise InputError(
            f"{path} is damaged or is not a checkpoint, or it holds code, which is never run; "
            "train the run again or use another."
        ) from error
    if not isinstance(checkpoint, dict) or _KEY not in checkpoint:
        raise InputError(f"{path} was not written by musicssl: it does not say how it was made.")
    return checkpoint


def replace_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Give a checkpoint other weights; the file is whole at any moment."""
    checkpoint = read_checkpoint(path)
    checkpoint["state_dict"] = {name: value.cpu() for name, value in weights.items()}
    AtomicCheckpointIO().save_checkpoint(checkpoint, path)


class Description(NamedTuple):
    """How the method of a checkpoint was made.

    Attributes:
        config: The resolved configuration of its run, plain values.
        classes: The names of its classes, in column order.
        sizes: Keyword arguments of the method that its corpus decided.
        version: Of musicssl.
        path: Of the checkpoint.
    """

    config: dict[str, Any]
    classes: tuple[str, ...]
    sizes: dict[str, Any]
    version: str
    path: Path

    def setting(self, key: str) -> Any:
        """Return a setting of the run, or all of a section, by a path such as "data.crop_seconds".

        Raises:
            InputError: If the run had none of that name.
        """
        node: Any = self.config
        for name in key.split("."):
            if not isinstance(node, dict) or name not in node:
                raise _unfit(self.path, self.version, f"it does not say what {key} was")
            node = node[name]
        return node


def describe(path: Path | str) -> Description:
    """Read how the method of a checkpoint was made; nothing that it names is called.

    Raises:
        InputError: See `read_checkpoint`; also if it does not say its settings, classes or sizes.
            Which settings there are is for `Description.setting` to check.
    """
    return _description(read_checkpoint(Path(path)), Path(path))


def _description(checkpoint: Mapping[str, Any], path: Path) -> Description:
    made = checkpoint[_KEY] if isinstance(checkpoint[_KEY], dict) else {}
    made_by = str(made.get("version", "of an unknown version"))
    for name, kind in (("config", dict), ("classes", list), ("sizes", dict)):
        if not isinstance(made.get(name), kind):
            raise _unfit(path, made_by, f"it does not say its {name}")
    config = _with_current_names(made["config"])
    return Description(config, tuple(made["classes"]), made["sizes"], made_by, path)


def _with_current_names(node: Any) -> Any:
    """Return a configuration whose targets have the names that this version has for them."""
    if isinstance(node, list):
        return [_with_current_names(item) for item in node]
    if not isinstance(node, dict):
        return node
    renamed = {key: _with_current_names(value) for key, value in node.items()}
    target = renamed.get("_target_")
    if isinstance(target, str):
        module, dot, name = target.rpartition(".")
        renamed["_target_"] = f"{_FORMER_MODULES.get(module, module)}{dot}{name}"
    return renamed


def _weights(checkpoint: Mapping[str, Any], made: Description) -> Mapping[str, Tensor]:
    weights = checkpoint.get("state_dict")
    if not isinstance(weights, Mapping):
        raise _unfit(made.path, made.version, "it has no weights")
    return weights


def _unfit(path: Path, made_by: str, why: str) -> InputError:
    here = version("musicssl")
    cure = "use another copy" if made_by == here else "load it with that version"
    return InputError(
        f"{path} was written by musicssl {made_by} and does not fit this one, {here}: {why}; "
        f"{cure}, or train it again."
    )


def check_corpus_parts(config: Any, path: Path | str, trusted: Sequence[str] = ()) -> None:
    """Refuse settings of a corpus, or of features, that would call anything else.

    Args:
        config: From a checkpoint, plain values.
        path: Of the checkpoint.
        trusted: See `load_method`.

    Raises:
        InputError: If they do.
    """
    check_parts(config, (*CORPUS_PARTS, *trusted), path)


def load_method(
    path: Path | str, trusted: Sequence[str] = (), trained: bool = True
) -> tuple[ClassificationMethod, tuple[str, ...]]:
    """Rebuild a trained method from its checkpoint alone.

    Args:
        path: Of the checkpoint.
        trusted: Further packages or modules that its parts may come from, such as your own
            "mylab.encoders"; `musicssl.runs.trust.homes` lists those of a configuration. Parts
            of musicssl and optimizers of torch always may.
        trained: False for the method as it was before it learnt anything: with new weights, drawn
            from torch's default generator.

    Returns:
        The method in evaluation mode on the CPU, and the names of its classes in column order.

    Raises:
        InputError: See `describe`; also if its configuration names anything else to call, or the
            method is made otherwise in this version of musicssl, or its weights are of another.
    """
    checkpoint = read_checkpoint(Path(path))
    made = _description(checkpoint, Path(path))
    method = _built(made, trusted)
    if trained:
        _fill(method, _weights(checkpoint, made), made)
    return method.eval(), made.classes


def _built(made: Description, trusted: Sequence[str]) -> ClassificationMethod:
    made.setting("method._target_")  # without one Hydra would hand the settings back
    config = made.setting("method")
    check_parts([config, made.sizes], (*METHOD_PARTS, *trusted), made.path)
    try:
        method: ClassificationMethod = instantiate(config, **made.sizes)
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from error
        raise _unfit(made.path, made.version, "its settings build no method here") from error
    return method


def _fill(method: ClassificationMethod, weights: Mapping[str, Tensor], made: Description) -> None:
    why = "weights that are not those of the network that its settings build"
    try:
        method.load_state_dict(weights)
    except RuntimeError as error:
        if made.version == version("musicssl"):
            raise InputError(
                f"{made.path} holds {why}; use another copy, or train it again."
            ) from error
        raise _unfit(made.path, made.version, f"it holds {why}") from error


def load_weights(method: ClassificationMethod, path: Path | str, classes: Sequence[str]) -> None:
    """Start a method from the network of a checkpoint, of whatever method, to fine-tune it.

    Args:
        method: To be filled; with encoder and pooling as the checkpoint's method has them.
        path: Of the checkpoint.
        classes: The classes of the corpus at hand.

    Raises:
        InputError: See `describe`; also if the checkpoint was trained for other classes or with
            another network.
    """
    checkpoint = read_checkpoint(Path(path))
    made = _description(checkpoint, Path(path))
    theirs = made.classes
    if tuple(classes) != theirs:
        raise InputError(
            f"{path} knows the classes {_shortened(theirs)}, but the corpus has "
            f"{_shortened(classes)}; fine-tune a checkpoint that was trained for the same classes."
        )
    try:
        method.start_from(_weights(checkpoint, made))
    except RuntimeError as error:
        raise InputError(
            f"{path} holds another network than that of this run; choose the method, or the "
            "encoder and the pooling, that it was trained with."
        ) from error


def _shortened(names: Sequence[str], limit: int = 4) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
