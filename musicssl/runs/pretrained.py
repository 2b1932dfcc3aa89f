"""Encoders that start from published weights (`encoder.weights=...`), as runs treat them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musicssl.errors import InputError

_OF_MUSICSSL = "musicssl.encoders."  # `weights` of other encoders may mean anything
_OF_HEAR = "musicssl.encoders.hear."  # the weights of a module: of whichever corpus
_FILES = ("weights", "pca")  # settings that name a file, or weights that are published
_SETTINGS = (*_FILES, "weights_folder")
_TRAINED_ON = {"mtt": "magnatagatune", "msd": "msd"}  # names of corpora


def weights_of(settings: Any) -> str | None:
    """Return the published weights that an encoder starts from, by name or file; None without any.

    Args:
        settings: Settings of a method, or of an encoder; plain values.
    """
    encoder = _encoder(settings)
    name = encoder.get("weights") if _is_ours(encoder) else None
    return None if name is None else str(name)


def encoder_label(name: str, settings: Any) -> str:
    """Return what folders and tables call an encoder that no run has trained.

    >>> musicnn = {"_target_": "musicssl.encoders.musicnn.Musicnn", "weights": "mtt"}
    >>> encoder_label("musicnn", musicnn), encoder_label("musicnn", musicnn | {"weights": None})
    ('musicnn_mtt', 'untrained_musicnn')

    Args:
        name: The word typed after `encoder=`.
        settings: Settings of the encoder.
    """
    if hear_module(settings) is not None:
        return f"pretrained_{name}"
    weights = weights_of(settings)
    return f"untrained_{name}" if weights is None else f"{name}_{Path(weights).stem}"


def hear_module(settings: Any) -> str | None:
    """Return the name of the HEAR module that is the encoder; None of another encoder.

    Args:
        settings: Settings of a method, or of an encoder; plain values.
    """
    encoder = _encoder(settings)
    return str(encoder.get("module")) if _is_of_hear(encoder) else None


def weights_digest(settings: Any) -> str | None:
    """Return a SHA-256 of the files that an encoder is built from; None without any.

    Weights that have a name are known by it.

    Args:
        settings: Settings of a method, or of an encoder; plain values.

    Raises:
        InputError: If one is not there.
    """
    from musicssl.encoders.pretrained.hear import weights_identity  # torch: not for --help

    encoder = _encoder(settings)
    if not _is_of_hear(encoder) and not _is_ours(encoder):
        return None
    values = [encoder.get(key) for key in _FILES]
    files = [str(value) for value in values if value is not None and value not in _TRAINED_ON]
    return "_".join(map(weights_identity, files)) or None


def without_weights(settings: Any) -> Any:
    """Return the settings of an encoder that starts from new weights.

    A checkpoint brings all weights of its network, so that it is built again without the files that
    it once started from, and no path in a checkpoint is read.

    Args:
        settings: Settings of a method, or of an encoder; plain values.
    """
    if not isinstance(settings, dict):
        return settings
    if _is_ours(settings):
        return settings | dict.fromkeys((key for key in _SETTINGS if key in settings), None)
    if isinstance(settings.get("encoder"), dict):
        return settings | {"encoder": without_weights(settings["encoder"])}
    return settings


def overlap(weights: str | None, corpus: str) -> str | None:
    """Warn of weights that were trained on the corpus at hand; None if they were not.

    Args:
        weights: See `weights_of`.
        corpus: Its name.
    """
    if weights is None or _TRAINED_ON.get(weights) != corpus:
        return None
    return (
        f"Warning: encoder.weights={weights} were trained on {corpus} with all its labels, so the "
        "results say nothing about few labels or about transfer; choose another corpus, or other "
        "weights."
    )


def check_one_start(weights: str | None, checkpoint: Any) -> None:
    """Make sure that a network starts from one thing.

    Args:
        weights: See `weights_of`.
        checkpoint: The setting finetune.checkpoint.

    Raises:
        InputError: If it is to start from published weights and from a checkpoint.
    """
    if weights is not None and checkpoint is not None:
        raise InputError(
            f"encoder.weights={weights} would be replaced by finetune.checkpoint={checkpoint}; "
            "leave one of the two out."
        )


def _encoder(settings: Any) -> Mapping[str, Any]:
    """Return the settings of the encoder, which are those of a method or among them."""
    if not isinstance(settings, Mapping):
        return {}
    encoder = settings.get("encoder", settings)
    return encoder if isinstance(encoder, Mapping) else {}


def _is_of_hear(encoder: Mapping[str, Any]) -> bool:
    return str(encoder.get("_target_")).startswith(_OF_HEAR)


def _is_ours(encoder: Mapping[str, Any]) -> bool:
    return not _is_of_hear(encoder) and str(encoder.get("_target_")).startswith(_OF_MUSICSSL)
