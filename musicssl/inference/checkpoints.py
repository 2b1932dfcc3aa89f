"""From the checkpoint of a run to the description of the network that it predicts with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from musicssl.errors import InputError
from musicssl.inference.description import Description
from musicssl.inference.parts import described
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.pretrained import without_weights

Which = Literal["best", "student"]

_STUDENT = "classifier"
_OF_ORIGIN = ("name", "seed", "data.p_s", "data.b_s", "dataset._target_", "method._target_")


def read_network(path: Path, trusted: Sequence[str] = (), which: Which = "best") -> Description:
    """Read the network that a checkpoint predicts with.

    Hydra and Lightning are imported only for methods that build their network themselves, such as
    dgm; `musicssl export` writes one that needs neither.

    Args:
        path: Path of the checkpoint.
        trusted: Further packages or modules that parts may come from.
        which: "best": what the run was tested with, such as the teacher; "student": what was
            trained by gradient descent.

    Raises:
        InputError: If the file is no checkpoint, if its method predicts otherwise than by an
            encoder and a pooling, or if its features cannot be made from sound.
    """
    checkpoint = Checkpoint.read(path)
    features = _features(checkpoint)
    network = checkpoint.network if which == "best" else _STUDENT
    encoder, pooling = _builders(checkpoint, trusted)
    sizes = {k: v for k, v in checkpoint.sizes.items() if k != "task"}
    decisions = checkpoint.decisions if network == checkpoint.network else None
    return Description(
        path=path,
        encoder=encoder,
        pooling=pooling,
        features=features,
        sizes=sizes,
        task=str(checkpoint.sizes.get("task", "multi_label")),
        classes=checkpoint.classes,
        weights=_part(checkpoint.weights, network, path),
        decisions=decisions,
        origin=_origin(checkpoint),
    )


def _features(checkpoint: Checkpoint) -> Any:
    """Return the settings of what turned audio into the input of the network."""
    dataset = checkpoint.setting("dataset")
    target = str(dataset.get("_target_"))
    features = dataset.get("features")
    if not isinstance(features, dict):
        raise InputError(
            f"{checkpoint.path} was trained on the instances of {target}, which cannot be made "
            "from sound; train on a corpus with features=log_mel, or with an encoder of sound."
        )
    of_sound = str(features.get("_target_")).endswith(".Waveform")
    published = target.startswith("musicssl.datasets.openmic.") and not of_sound
    if published and dataset.get("source") != "audio":
        raise InputError(
            f"{checkpoint.path} was trained on the VGGish instances of OpenMIC, which cannot be "
            "made from sound here; train with dataset.source=audio."
        )
    return features


def _builders(checkpoint: Checkpoint, trusted: Sequence[str]) -> tuple[Any, Any]:
    """Return the settings of encoder and pooling."""
    settings = without_weights(checkpoint.setting("method"))  # it brings its own
    if isinstance(settings.get("encoder"), dict) and isinstance(settings.get("pooling"), dict):
        return settings["encoder"], settings["pooling"]
    method = checkpoint.method(trusted)  # imports Hydra and Lightning
    if not method.predicts_by_network:
        raise InputError(
            f"{checkpoint.path} predicts by the clusters of {settings['_target_']}, and not by an "
            "encoder and a pooling; use the checkpoint of another method."
        )
    encoder, pooling = method.network.builders
    return described(encoder), described(pooling)


def _part(weights: Mapping[str, Tensor], network: str, path: Path) -> dict[str, Tensor]:
    prefix = f"{network}."
    part = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    if not part:
        raise InputError(f"{path} holds no {network}; use another copy.")
    return part


def _origin(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the entries of a model card about the run; entries without a value are left out."""
    origin: dict[str, Any] = {"checkpoint": checkpoint.digest, "version": checkpoint.version}
    for key in _OF_ORIGIN:
        node: Any = checkpoint.config
        for name in key.split("."):
            node = node.get(name) if isinstance(node, dict) else None
        if node is not None:
            origin[key] = node
    return origin
