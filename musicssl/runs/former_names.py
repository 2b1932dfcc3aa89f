"""Former names of the modules that checkpoints of version 0.1.0 name; dropped with 0.3."""

from typing import Any

FORMER_MODULES = {
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
        for name in ("pooling", "projector", "teacher")
    },
    "musicssl.thresholds": "musicssl.networks.thresholds.prior",
    "musicssl.networks.thresholds": "musicssl.networks.thresholds.prior",
    "musicssl.features.log_mel": "musicssl.audio.log_mel",
    "musicssl.features.waveform": "musicssl.audio.waveform",
    "musicssl.likelihoods": "musicssl.losses.likelihoods",
    "musicssl.similarity": "musicssl.losses.similarity",
    "musicssl.views": "musicssl.augment.views",
}


def with_current_names(node: Any) -> Any:
    """Return a configuration whose targets have the names that this version has for them.

    Args:
        node: The configuration: plain values, lists and dictionaries of any depth.
    """
    if isinstance(node, list):
        return [with_current_names(item) for item in node]
    if not isinstance(node, dict):
        return node
    renamed = {key: with_current_names(value) for key, value in node.items()}
    target = renamed.get("_target_")
    if isinstance(target, str):
        module, dot, name = target.rpartition(".")
        renamed["_target_"] = f"{FORMER_MODULES.get(module, module)}{dot}{name}"
    return renamed
