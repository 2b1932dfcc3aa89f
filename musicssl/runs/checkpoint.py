"""Checkpoints: safe to open, and enough by themselves to rebuild their method.

What they hold is read without the packages that train. Only `Checkpoint.method` imports Hydra and
Lightning.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.decisions import Decisions
from musicssl.runs.former_names import with_current_names
from musicssl.runs.pretrained import without_weights
from musicssl.runs.trust import CORPUS_PARTS, METHOD_PARTS, check_parts, check_plain

if TYPE_CHECKING:
    from musicssl.methods.base.method import Method

KEY = "musicssl"
DECISIONS = "decisions"


def check_checkpoint_file(path: Path) -> None:
    """Check that a checkpoint is there, without reading it.

    Raises:
        InputError: If not.
    """
    if not path.name:
        raise InputError(
            "the path of a checkpoint is empty; runs keep theirs in checkpoints/best.ckpt."
        )
    if not path.is_file():
        raise InputError(
            f"there is no checkpoint {path}; runs keep theirs in checkpoints/best.ckpt."
        )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read all that is in a checkpoint onto the CPU; see `Checkpoint.read`."""
    return _read(path)[0]


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """Return the content of a checkpoint and the SHA-256 of the file, which is opened once."""
    check_checkpoint_file(path)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            _check_sums(file, path.stat().st_size)
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader may raise any exception on foreign bytes
        raise InputError(
            f"{path} is damaged or is not a checkpoint, or it holds code, which is never run; "
            "train the run again or use another."
        ) from error
    if not isinstance(content, dict) or KEY not in content:
        raise InputError(f"{path} was not written by musicssl: it does not say how it was made.")
    return content, digest


def _check_sums(file: IO[bytes], size: int) -> None:
    """Compare all parts of a checkpoint, which is a zip archive, with their checksums.

    torch does not look at them.

    Raises:
        BadZipFile: If one differs, or is compressed or larger than the file, which none of ours is.
    """
    with ZipFile(file) as archive:
        parts = archive.infolist()
        if any(part.compress_type != ZIP_STORED for part in parts):
            raise BadZipFile("it is compressed")
        if sum(part.file_size for part in parts) > size:
            raise BadZipFile("it says that it holds more than it does")
        damaged = archive.testzip()
        if damaged is not None:
            raise BadZipFile(f"{damaged} differs from its checksum")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint of a musicssl run, read once.

    Attributes:
        path: Path of the file.
        digest: SHA-256 of the file.
        version: Version of the musicssl that wrote it.
        config: The resolved configuration of its run, plain values.
        classes: The names of its classes, in column order.
        sizes: Keyword arguments of the method that its corpus decided.
        data: Hashes of what its run was made from, by name; empty in version 0.1.
    """

    path: Path
    digest: str
    version: str
    config: dict[str, Any]
    classes: tuple[str, ...]
    sizes: dict[str, Any]
    data: dict[str, Any]
    _content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a checkpoint onto the CPU; no pickle in it is executed, and nothing is called.

        Raises:
            InputError: If the file is missing, damaged, or not one of ours, or does not say its
                settings, classes or sizes. Which settings there are is for `setting` to check.
        """
        path = Path(path)
        return cls.of(*_read(path), path)

    @classmethod
    def of(cls, content: Mapping[str, Any], digest: str, path: Path) -> Self:
        """Take up what was read from a checkpoint; see `read`.

        Args:
            content: Content of the file.
            digest: SHA-256 of the file.
            path: Path of the file.
        """
        made = _description(content[KEY], path)
        made_by = str(made.get("version", "of an unknown version"))
        for name, kind in (("config", dict), ("classes", list), ("sizes", dict)):
            if not isinstance(made.get(name), kind):
                raise unfit(path, made_by, f"it does not say its {name}")
        if not all(isinstance(name, str) for name in made["classes"]):
            raise unfit(path, made_by, "it does not say its classes")
        return cls(
            path=path,
            digest=digest,
            version=made_by,
            config=with_current_names(made["config"]),
            classes=tuple(made["classes"]),
            sizes=_checked_sizes(made["sizes"], path),
            data=made["data"] if isinstance(made.get("data"), dict) else {},
            _content=content,
        )

    @property
    def epoch(self) -> int:
        """The epoch after which it was written, from 0.

        Raises:
            InputError: If it does not say.
        """
        epoch = self._content.get("epoch")
        if not isinstance(epoch, int):
            raise self.unfit("it does not say its epoch")
        return epoch

    @property
    def has_best(self) -> bool:
        """Whether the run that it can resume had kept an epoch as its best."""
        states = self._content.get("callbacks")
        if not isinstance(states, Mapping):
            return False
        return any(
            bool(state.get("best_model_path"))
            for state in states.values()
            if isinstance(state, Mapping)
        )

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The state of its method.

        Raises:
            InputError: If it has none.
        """
        weights = self._content.get("state_dict")
        if not isinstance(weights, Mapping) or not all(isinstance(name, str) for name in weights):
            raise self.unfit("it has no weights")
        return weights

    @property
    def network(self) -> str:
        """The submodule of its method, in `weights`, that the method predicts with."""
        if "network" in self._content:
            return str(self._content["network"])
        former = ("teacher.average", "selected.copies.classifier")  # of 0.1.0; dropped with 0.3
        names = [one for one in former if any(k.startswith(f"{one}.") for k in self.weights)]
        return names[0] if names else "classifier"

    @property
    def decisions(self) -> Decisions | None:
        """Thresholds and temperatures that were chosen on validation; None in version 0.1.

        Raises:
            InputError: If they are damaged.
        """
        text = self._content.get(DECISIONS)
        if text is None:
            return None
        try:
            found = Decisions.of_plain(json.loads(text), len(self.classes))
        except (TypeError, ValueError, RecursionError):
            found = None
        if found is None:
            raise self.unfit("it does not say its decision thresholds")
        return found

    def setting(self, key: str) -> Any:
        """Return a setting of the run, or all of a section, by a path such as "data.crop_seconds".

        Raises:
            InputError: If the run had none of that name.
        """
        node: Any = self.config
        for name in key.split("."):
            if not isinstance(node, dict) or name not in node:
                raise self.unfit(f"it does not say what {key} was")
            node = node[name]
        return node

    def corpus_parts(self, key: str, trusted: Sequence[str] = ()) -> Any:
        """Return settings of a corpus, or of features, that call nothing else.

        Args:
            key: See `setting`.
            trusted: See `method`.

        Raises:
            InputError: If they name anything else to call.
        """
        settings = self.setting(key)
        check_parts(settings, (*CORPUS_PARTS, *trusted), self.path)
        return settings

    def method(self, trusted: Sequence[str] = (), trained: bool = True) -> "Method":
        """Rebuild the method, in evaluation mode on the CPU.

        Args:
            trusted: Further packages or modules that its parts may come from, such as your own
                "mylab.encoders"; `musicssl.runs.trust.homes` lists those of a configuration. Parts
                of musicssl and optimizers of torch always may.
            trained: False for the method as it was before it learnt anything: with new weights,
                drawn from torch's default generator.

        Raises:
            InputError: If the settings name anything else to call, or the method is made otherwise
                in this version of musicssl, or its weights are of another.
        """
        method = self._built(trusted)
        if trained:
            self._fill(method)
        return method.eval()

    def _built(self, trusted: Sequence[str]) -> "Method":
        from hydra.utils import instantiate  # not for those who only read weights

        from musicssl.methods.base.method import Method  # imports Lightning

        self.setting("method._target_")  # without one Hydra would hand the settings back
        config = without_weights(self.setting("method"))  # it brings its own
        # Hydra puts the sizes in among the settings before it calls anything.
        check_parts(config | self.sizes, (*METHOD_PARTS, *trusted), self.path)
        why = "its settings build no method here"
        try:
            method = instantiate(config, **self.sizes)
        except Exception as error:  # Hydra may raise any exception on foreign settings
            if isinstance(error.__cause__, InputError):
                raise error.__cause__ from error
            raise self.unfit(why) from error
        if not isinstance(method, Method):
            raise self.unfit(why)
        return method

    def _fill(self, method: "Method") -> None:
        why = "weights that are not those of the network that its settings build"
        try:
            method.load_state_dict(self.weights)
        except RuntimeError as error:
            if self.version == version("musicssl"):
                raise InputError(
                    f"{self.path} holds {why}; use another copy, or train it again."
                ) from error
            raise self.unfit(f"it holds {why}") from error

    def unfit(self, why: str) -> InputError:
        """Return the error that it does not fit this version of musicssl."""
        return unfit(self.path, self.version, why)


def load_method(
    path: Path | str, trusted: Sequence[str] = (), trained: bool = True
) -> tuple["Method", tuple[str, ...]]:
    """Rebuild a trained method from its checkpoint alone.

    Args:
        path: Path of the checkpoint.
        trusted: See `Checkpoint.method`.
        trained: As well.

    Returns:
        The method in evaluation mode on the CPU, and the names of its classes in column order.

    Raises:
        InputError: See `Checkpoint.read` and `Checkpoint.method`.
    """
    checkpoint = Checkpoint.read(path)
    return checkpoint.method(trusted, trained), checkpoint.classes


def _description(stored: Any, path: Path) -> dict[str, Any]:
    """Return what a checkpoint says of how it was made: JSON text, or a dict of version 0.1.

    Raises:
        InputError: If it holds anything but plain values.
    """
    try:
        made = json.loads(stored) if isinstance(stored, str) else stored
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged, it does not say how it was made; use another copy, or train it "
            "again."
        ) from error
    check_plain(made, path)
    return made if isinstance(made, dict) else {}


def _checked_sizes(sizes: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the sizes of a method, which are no containers and name no part.

    Raises:
        InputError: If they are anything else.
    """
    for name, size in sizes.items():
        if not isinstance(name, str) or name.startswith("_") or not isinstance(size, int | str):
            raise InputError(
                f"{path} has {name!r} among the sizes of its method, which are numbers and a "
                "task; do not use this file."
            )
    return sizes


def unfit(path: Path, made_by: str, why: str) -> InputError:
    """Return the error that a checkpoint does not fit this version of musicssl."""
    here = version("musicssl")
    cure = "use another copy" if made_by == here else "load it with that version"
    return InputError(
        f"{path} was written by musicssl {made_by} and does not fit this one, {here}: {why}; "
        f"{cure}, or train it again."
    )
