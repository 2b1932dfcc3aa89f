"""Fine-tuning: the trained weights that a run starts from, and whether they fit it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from musicssl.cache import file_identity
from musicssl.errors import InputError
from musicssl.methods.base.learner import Learner
from musicssl.networks.transfer import Columns, Transfer
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.settings import value_text

_WITHOUT_WEIGHTS = ("dropout", "weights", "weights_folder")  # settings that may differ


@dataclass(frozen=True, eq=False)
class Start:
    """A trained network to start from.

    Attributes:
        path: Path of the file or folder.
        digest: SHA-256 of the file; of a folder that of the file with the checksums.
        classes: The names of its classes, in column order.
        state: The state of its method.
        network: The submodule in `state` that predicts.
        encoder: Settings of its encoder; empty if its method builds one.
        features: Settings of what turned audio into its input; empty if the corpus brought it.
        sizes: `num_features` and `num_instances` of its corpus.
    """

    path: Path
    digest: str
    classes: tuple[str, ...]
    state: Mapping[str, Tensor]
    network: str = "classifier"
    encoder: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_checkpoint(cls, path: Path | str) -> "Start":
        """Read a checkpoint.

        Raises:
            InputError: See `Checkpoint.read`.
        """
        checkpoint = Checkpoint.read(path)
        return cls(
            path=checkpoint.path,
            digest=checkpoint.digest,
            classes=checkpoint.classes,
            state=checkpoint.weights,
            network=checkpoint.network,
            encoder=encoder_of(checkpoint.config),
            features=features_of(checkpoint.config),
            sizes=checkpoint.sizes,
        )


def start_identity(path: Path) -> str:
    """Return the `digest` of a `Start` without reading it.

    Raises:
        InputError: If the file cannot be read.
    """
    return file_identity(start_file(path))


def start_file(path: Path) -> Path:
    """Return the file that stands for a start: a checkpoint, or config.json of an export.

    Raises:
        InputError: If there is none in a folder.
    """
    if not path.is_dir():
        return path
    for name in ("config.json", "checkpoints/best.ckpt"):
        if (path / name).is_file():
            return path / name
    raise InputError(
        f"{path} holds neither config.json of an export nor checkpoints/best.ckpt of a run; name "
        "the file or folder of a model with finetune.checkpoint=..."
    )


def encoder_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a run's encoder; empty if its method builds one."""
    return _section(config, "method", "encoder")


def features_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a run's features; empty if its corpus already has instances."""
    features, dataset = _section(config, "dataset", "features"), _section(config, "dataset")
    of_openmic = str(dataset.get("_target_")).startswith("musicssl.datasets.openmic.")
    of_sound = str(features.get("_target_")).endswith(".Waveform")
    return {} if of_openmic and not of_sound and dataset.get("source") != "audio" else features


def _section(config: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    node: Any = config
    for name in names:
        node = node.get(name) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else {}


def start_method(
    method: Learner,
    start: Start,
    classes: Sequence[str],
    settings: Mapping[str, Any],
    sizes: Mapping[str, Any],
) -> list[str]:
    """Start a method from the network of another run, of whatever method and classes.

    The encoder is taken as it is. Of the pooling is taken what has the same name and shape; classes
    are matched by name, so that classes of both runs keep their weights.

    Args:
        method: To be filled.
        start: The network to start from.
        classes: The classes of the corpus at hand.
        settings: Settings of the run, plain values.
        sizes: Sizes of the corpus at hand.

    Returns:
        Sentences that list what was taken and what is new, and warn if features differ.

    Raises:
        InputError: If the encoder, its features or the sample rate is another.
    """
    encoders = list(_differing("encoder", start.encoder, encoder_of(settings)))
    features = list(_differing("features", start.features, features_of(settings)))
    if not (encoders and encoders[0].is_part):
        _check_input(start, features)
    columns = columns_of(start.classes, classes)
    try:
        taken = method.start_from(start.state, start.network, columns)
    except RuntimeError as error:
        raise _another_network(start, encoders, features, sizes) from error
    said = [_described(start, taken, classes, columns)]
    if bool(start.features) != bool(features_of(settings)):
        said.append(
            f"Warning: it cannot be said whether the instances of this run are of the kind that "
            f"{start.path} was trained on, for one of the two corpora has instances of its own."
        )
    if features:
        said.append(
            f"Warning: {start.path} was trained with {_there(features)}, but this run has "
            f"{_here(features)}; for the input that its encoder knows add {_typed(features)}."
        )
    return said


def columns_of(theirs: Sequence[str], ours: Sequence[str]) -> Columns | None:
    """Return the column of each class among theirs, None for new ones; None if all are the same.

    >>> columns_of(["a", "b"], ["b", "c"])
    [1, None]
    """
    if tuple(theirs) == tuple(ours):
        return None
    places = {name: column for column, name in enumerate(theirs)}
    return [places.get(name) for name in ours]


@dataclass(frozen=True)
class _Difference:
    """A setting, such as features.sample_rate, and its values there and here."""

    key: str
    there: Any
    here: Any

    @property
    def is_part(self) -> bool:
        """Whether it is the choice of the part itself, such as features=log_mel."""
        return "." not in self.key

    def __str__(self) -> str:
        """Write the setting as it would be typed to have the value that it had there."""
        return f"{self.key}={value_text(self.there)}"


def _differing(
    group: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]
) -> Iterator[_Difference]:
    """Go through the settings that differ: the choice of the part alone, or its settings."""
    if not theirs or not ours:
        return
    there, here = (_option(settings.get("_target_")) for settings in (theirs, ours))
    if there != here:
        yield _Difference(group, there, here)
        return
    for name in sorted(theirs.keys() | ours.keys()):
        known = name in theirs and name in ours  # else one of them is of an earlier version
        relevant = known and not name.startswith("_") and name not in _WITHOUT_WEIGHTS
        if relevant and value_text(theirs[name]) != value_text(ours[name]):
            yield _Difference(f"{group}.{name}", theirs[name], ours[name])


def _option(target: Any) -> str:
    """Return the name of an option, which is that of its module."""
    return str(target).rpartition(".")[0].rpartition(".")[2]


def _typed(differences: Sequence[_Difference]) -> str:
    return " ".join(map(str, differences))


_there = _typed


def _here(differences: Sequence[_Difference]) -> str:
    return " ".join(f"{d.key}={value_text(d.here)}" for d in differences)


def _check_input(start: Start, features: Sequence[_Difference]) -> None:
    """Refuse another kind of features, or another sample rate."""
    wrong = [d for d in features if d.is_part or d.key == "features.sample_rate"]
    if wrong:
        raise InputError(
            f"{start.path} was trained with {_there(wrong)}, but this run has {_here(wrong)}, so "
            f"that its encoder would hear something else; add {_typed(wrong)}."
        )


def _another_network(
    start: Start,
    encoders: Sequence[_Difference],
    features: Sequence[_Difference],
    sizes: Mapping[str, Any],
) -> InputError:
    """Return the error for encoders that differ: the differences, and what to type."""
    differences = [*encoders, *features]
    if differences:
        return InputError(
            f"{start.path} holds another network than that of this run: it was trained with "
            f"{_there(differences)}, and this run has {_here(differences)}; add "
            f"{_typed(differences)}."
        )
    names = {"num_features": "features of an instance", "num_instances": "instances of a clip"}
    for name, meaning in names.items():
        there, here = start.sizes.get(name), sizes.get(name)
        if there != here and name == "num_features":
            return InputError(
                f"{start.path} holds another network than that of this run: it was trained on "
                f"{there} {meaning}, and this corpus has {here}; use the features that it was "
                "trained on."
            )
    return InputError(
        f"{start.path} holds another network than that of this run; choose the method, or the "
        "encoder, that it was trained with."
    )


def _described(
    start: Start, taken: Transfer, classes: Sequence[str], columns: Columns | None
) -> str:
    """List what was taken and what is new."""
    if columns is None and not taken.new:
        return f"Starting from {start.path}: all weights, for the same classes."
    said = f"Starting from {start.path}: the encoder is loaded"
    known = [name for name, c in zip(classes, columns or (), strict=False) if c is not None]
    others = [name for name, c in zip(classes, columns or (), strict=False) if c is None]
    if taken.by_class:
        said += f", {_listed(taken.by_class)} for {_shortened(known)}"
    fresh = []
    if taken.by_class and others:
        fresh.append(f"{_listed(taken.by_class)} for {_shortened(others)}")
    if taken.new:
        whole = columns is not None and not known
        fresh.append(_listed(taken.new) + (f" for {_shortened(classes)}" if whole else ""))
    return f"{said}; new: {', '.join(fresh)}." if fresh else f"{said}."


def _listed(names: Sequence[str]) -> str:
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last


def _shortened(names: Sequence[str], limit: int = 4) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
