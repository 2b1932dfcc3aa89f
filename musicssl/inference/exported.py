"""The folder of an exported network: weights, description and checksums, in open formats.

config.json         classes, task, sizes, settings of encoder, pooling and features, thresholds, and
                    the SHA-256 of weights and graphs
model.safetensors   the weights
README.md           the model card, which you may edit
model.onnx, model.pt2   with --onnx and --torch-export: sound in, scores out
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from musicssl.documents import read_json, write_json
from musicssl.errors import InputError
from musicssl.evaluation.decisions import Decisions
from musicssl.inference.description import Description

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
FORMAT = 1


def write_exported(folder: Path, description: Description, card: str) -> None:
    """Write a network to a folder, without graphs.

    Args:
        folder: Made if it is not there.
        description: Description of the network.
        card: The model card, Markdown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous().clone() for name, value in description.weights.items()}
    (folder / WEIGHTS).write_bytes(save_tensors(weights, {"format": "pt"}))
    (folder / CARD).write_text(card, encoding="utf-8")
    decisions = description.decisions
    write_config(
        folder,
        {
            "format": FORMAT,
            "classes": list(description.classes),
            "task": description.task,
            "sizes": dict(description.sizes),
            "features": description.features,
            "encoder": description.encoder,
            "pooling": description.pooling,
            "decisions": None if decisions is None else decisions.plain(),
            "origin": dict(description.origin),
        },
        (WEIGHTS,),
    )


def write_config(folder: Path, config: Mapping[str, Any], parts: tuple[str, ...]) -> None:
    """Write config.json with the checksums of the other files."""
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in parts}
    write_json(folder / CONFIG, {**config, "sha256": sums})


def add_part(folder: Path, name: str) -> None:
    """Add a file to those that config.json has the checksums of."""
    config = _config(folder)
    parts = tuple(dict.fromkeys([*config.pop("sha256"), name]))
    write_config(folder, config, parts)


def read_exported(folder: Path) -> Description:
    """Read a network from its folder; nothing in it is executed.

    Raises:
        InputError: If a part is missing, changed or damaged.
    """
    config = _config(folder)
    for name, expected in config["sha256"].items():
        _check_part(folder, name, expected)
    if WEIGHTS not in config["sha256"]:
        raise _damaged(folder, f"{CONFIG} has no checksum of {WEIGHTS}")
    try:
        weights = load_tensors((folder / WEIGHTS).read_bytes())
    except SafetensorError as error:
        raise _damaged(folder, f"{WEIGHTS} holds no tensors") from error
    classes, decisions = config["classes"], config.get("decisions")
    return Description(
        path=folder,
        encoder=config["encoder"],
        pooling=config["pooling"],
        features=config["features"],
        sizes=config["sizes"],
        task=str(config["task"]),
        classes=tuple(classes),
        weights=weights,
        decisions=None if decisions is None else _decisions(folder, decisions, len(classes)),
        origin=config["origin"],
    )


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = read_json(folder / CONFIG)
    except (OSError, ValueError) as error:
        raise _damaged(folder, f"{CONFIG} cannot be read ({error})") from error
    if config.get("format") != FORMAT:
        raise InputError(
            f"{folder / CONFIG} has the format {config.get('format')!r}, and this version of "
            f"musicssl reads format {FORMAT}; install a newer version."
        )
    names = ("encoder", "pooling", "features", "sizes", "origin", "sha256")
    kinds: dict[str, type] = {**dict.fromkeys(names, dict), "classes": list}
    wrong = [name for name, kind in kinds.items() if not isinstance(config.get(name), kind)]
    if wrong or "task" not in config or not all(isinstance(c, str) for c in config["classes"]):
        raise _damaged(folder, f"{CONFIG} does not say its {(wrong or ['task'])[0]}")
    return config


def _check_part(folder: Path, name: str, expected: Any) -> None:
    if Path(name).name != name:
        raise _damaged(folder, f"{CONFIG} names a file outside of the folder")
    if not (folder / name).is_file():
        raise _damaged(folder, f"{name} is missing")
    if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
        raise _damaged(folder, f"{name} differs from its checksum in {CONFIG}")


def _decisions(folder: Path, values: Any, num_classes: int) -> Decisions:
    found = Decisions.of_plain(values, num_classes)
    if found is None:
        raise _damaged(folder, f"{CONFIG} does not say its decision thresholds")
    return found


def _damaged(folder: Path, why: str) -> InputError:
    return InputError(f"{folder} is damaged: {why}; export the model again.")
