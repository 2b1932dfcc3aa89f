"""Modules with the HEAR API: loading one, and checking that it does what the API says.

HEAR (Holistic Evaluation of Audio Representations, Turian et al. 2022,
https://arxiv.org/abs/2203.03022) has one API for all models, https://hearbenchmark.com/hear-api.html:
a Python module with `load_model`, `get_scene_embeddings` and `get_timestamp_embeddings`. The checks
are those of hear-validator, https://github.com/hearbenchmark/hear-validator, except that

- any sample rate is allowed, because music models read 24 kHz, which is not in its list;
- one interval between timestamps may differ from the others, as where the last window is moved back
  to end with the clip; there, all intervals are the same within 1 ms;
- its longest clip, of 4 s, is left out, which takes modules that embed each window alone too long;
- timestamps that end in the first half of a clip are refused, not warned of: they are in seconds;
- an embedding may not depend on the other clips of its batch, which is not checked there.
"""

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import torch
from torch import Tensor, nn

from musicssl.errors import InputError

FUNCTIONS = ("load_model", "get_scene_embeddings", "get_timestamp_embeddings")
_NUMBERS = ("sample_rate", "scene_embedding_size", "timestamp_embedding_size")
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")  # what Hugging Face's libraries obey
_TIMES_OF = (1.07, 1.98)  # s, the clips that hear-validator checks timestamps with
_SCENE_OF = 2.74  # s, as well
_LARGEST_DEVIATION = 1.0  # ms, of an interval between timestamps
_BETWEEN_BATCHES = 1e-3  # relative; batches of another size are summed in another order


class HearModule:
    """A HEAR module and its model, in evaluation mode on the CPU.

    A copy of an encoder shares it.

    Args:
        name: By which it is imported, such as "hear21passt.base".
        weights: File or folder that its `load_model` is given; None to call it without.

    Attributes:
        name: As given.
        model: What `load_model` returned; a `torch.nn.Module` if it can be moved and trained.
        sample_rate: Sample rate of the sound that it reads, in Hz.
        scene_size: Width of the embedding of a clip.
        timestamp_size: Width of the embeddings of a clip over time.

    Raises:
        InputError: If it cannot be imported or loaded, or lacks a function or an attribute.
    """

    def __init__(self, name: str, weights: Path | str | None = None) -> None:
        self.name = name
        self._weights = None if weights is None else _existing(weights)
        self._module = _imported(name)
        self.model = self._loaded()
        self._checked: set[str] = set()
        self.sample_rate, self.scene_size, self.timestamp_size = map(self._number, _NUMBERS)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: what is frozen is not copied."""
        return self

    def scenes(self, audio: Tensor, model: Any = None) -> Tensor:
        """Embed clips, (B, S) -> (B, D), by `get_scene_embeddings`.

        Args:
            audio: At `sample_rate`, in [-1, 1].
            model: Used instead of `model`.

        Raises:
            InputError: If the module fails, or returns something else.
        """
        h = self._called("get_scene_embeddings", audio, model)
        self._check_tensor("get_scene_embeddings", h, (len(audio), self.scene_size))
        embedded: Tensor = h.to(audio.device)
        return embedded

    def over_time(self, audio: Tensor, model: Any = None) -> tuple[Tensor, Tensor]:
        """Embed clips over time, (B, S) -> (B, T, D), by `get_timestamp_embeddings`.

        Args:
            audio: At `sample_rate`, in [-1, 1].
            model: Used instead of `model`.

        Returns:
            The embeddings, and their centres in ms, (B, T).

        Raises:
            InputError: If the module fails, or returns something else.
        """
        function = "get_timestamp_embeddings"
        returned = self._called(function, audio, model)
        if not isinstance(returned, Sequence) or len(returned) != 2:
            raise self._unfit(function, "returns no pair of embeddings and timestamps")
        h, times = returned
        self._check_tensor(function, h, (len(audio), None, self.timestamp_size))
        self._check_tensor(function, times, tuple(h.shape[:2]), "timestamps of the shape")
        return h.to(audio.device), times.to(audio.device)

    def move(self, device: torch.device) -> None:
        """Move the model to a device, if it is a torch module."""
        if not isinstance(self.model, nn.Module):
            return
        tensors = [*self.model.parameters(), *self.model.buffers()]
        if any(tensor.device != device for tensor in tensors):
            with torch.inference_mode(False):  # else its weights could not be used outside of it
                self.model.to(device)

    def digest(self) -> str:
        """Return a SHA-256 of the weights: of the model's tensors, else of the file or folder."""
        found = hashlib.sha256(self.name.encode())
        if isinstance(self.model, nn.Module):
            for name, value in sorted(self.model.state_dict().items()):
                if isinstance(value, Tensor):
                    found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
                    plain = value.detach().cpu().contiguous().reshape(-1)
                    found.update(plain.view(torch.uint8).numpy().tobytes())
        elif self._weights is not None:
            found.update(weights_identity(self._weights).encode())
        return found.hexdigest()

    def code(self) -> str:
        """Return a SHA-256 of the file of the module; of what it imports, nothing is known."""
        file = getattr(self._module, "__file__", None)
        content = Path(file).read_bytes() if file is not None else b""
        return hashlib.sha256(content).hexdigest()

    def check(self, embeddings: str) -> None:
        """Embed noise, and check what comes back, the first time that this is asked for.

        Args:
            embeddings: "scene" or "timestamps": what is to be used.

        Raises:
            InputError: If it is not what the API says, or depends on the other clips of a batch.
        """
        if embeddings in self._checked:
            return
        with torch.no_grad():
            if embeddings == "scene":
                self._check_scenes()
            else:
                self._check_over_time()
        self._checked.add(embeddings)

    def _check_scenes(self) -> None:
        noise = self._noise(_SCENE_OF)
        h = self.scenes(noise)
        self._check_float("get_scene_embeddings", h)
        self._check_alone("get_scene_embeddings", h, [self.scenes(clip[None]) for clip in noise])

    def _check_over_time(self) -> None:
        function = "get_timestamp_embeddings"
        for seconds in _TIMES_OF:
            noise = self._noise(seconds)
            in_batch = seconds == _TIMES_OF[0]
            h, times = self.over_time(noise if in_batch else noise[:1])
            self._check_float(function, h)
            if in_batch:
                alone = [self.over_time(clip[None])[0] for clip in noise]
                self._check_alone(function, h, alone)
            why = wrong_times(times, 1000 * seconds)
            if why is not None:
                raise self._unfit(
                    function, f"returns timestamps that {why}, and not the centres in milliseconds"
                )

    def _check_alone(self, function: str, batch: Tensor, alone: Sequence[Tensor]) -> None:
        """Compare the embeddings of clips in a batch with those of each alone."""
        scale = _BETWEEN_BATCHES * float(batch.abs().max())
        for row, h in zip(batch, alone, strict=True):
            if h[0].shape != row.shape or not torch.allclose(
                row, h[0], rtol=_BETWEEN_BATCHES, atol=scale
            ):
                raise self._unfit(
                    function, "embeds a clip otherwise in a batch with another clip than alone"
                )

    def _check_float(self, function: str, h: Tensor) -> None:
        if h.dtype != torch.float32:
            raise self._unfit(function, f"returns {h.dtype}, not torch.float32")

    def _check_tensor(
        self, function: str, h: Any, shape: tuple[int | None, ...], what: str = "the shape"
    ) -> None:
        if not isinstance(h, Tensor):
            raise self._unfit(function, f"returns a {type(h).__name__}, not a tensor of torch")
        known = zip(h.shape, shape, strict=False)
        if h.ndim != len(shape) or any(n not in (None, size) for size, n in known):
            wanted = ", ".join("T" if size is None else str(size) for size in shape)
            raise self._unfit(function, f"returns {what} {tuple(h.shape)}, not ({wanted})")

    def _noise(self, seconds: float) -> Tensor:
        """Return two clips of white noise, a loud and a soft one; no global generator is used."""
        random = torch.Generator().manual_seed(0)
        noise = torch.rand(2, int(seconds * self.sample_rate), generator=random) * 2 - 1
        return noise * torch.tensor([[1.0], [0.1]])

    def _called(self, function: str, audio: Tensor, model: Any) -> Any:
        given = self.model if model is None else model
        try:
            return getattr(self._module, function)(audio, given)
        except (InputError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # foreign code may raise any exception
            seconds = audio.shape[1] / self.sample_rate
            raise self._unfit(
                function, f"fails on {len(audio)} clips of {seconds:.2f} s ({_cause(error)})"
            ) from error

    def _loaded(self) -> Any:
        for function in FUNCTIONS:
            if not callable(getattr(self._module, function, None)):
                raise InputError(
                    f"{self.name} has no function {function}, so it is no HEAR module; name one "
                    "that has " + ", ".join(FUNCTIONS) + "."
                )
        given = () if self._weights is None else (str(self._weights),)
        try:
            with torch.random.fork_rng(devices=[]):  # what it draws is the same each time
                torch.default_generator.manual_seed(0)
                model = self._module.load_model(*given)
        except InputError:
            raise
        except Exception as error:  # foreign code may raise any exception
            shown = "" if self._weights is None else f" with encoder.weights={self._weights}"
            raise self._unfit("load_model", f"fails{shown} ({_cause(error)})") from error
        return model.cpu().eval() if isinstance(model, nn.Module) else model

    def _number(self, name: str) -> int:
        value = getattr(self.model, name, None)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self._unfit("load_model", f"returns a model whose {name} is {value!r}, no number")
        return value

    def _unfit(self, function: str, why: str) -> InputError:
        return InputError(
            f"{self.name}.{function} {why}; mend that module, or choose another encoder.module."
        )


def frozen_module(name: str, weights: Path | str | None) -> HearModule:
    """Load a HEAR module once in a process, as long as its weights do not change on disk.

    Args:
        name: See `HearModule`.
        weights: As well.
    """
    return _cached(name, weights, None if weights is None else _stamps(_existing(weights)))


@lru_cache(maxsize=2)
def _cached(name: str, weights: Path | str | None, stamps: object) -> HearModule:
    return HearModule(name, weights)


def weights_identity(weights: Path | str) -> str:
    """Return a SHA-256 of a file, or of all files in a folder.

    Raises:
        InputError: If there is no such file or folder.
    """
    found = hashlib.sha256()
    for file in _files(_existing(weights)):
        with file.open("rb") as opened:
            found.update(hashlib.file_digest(opened, "sha256").digest())
    return found.hexdigest()


def wrong_times(times: Tensor, length: float) -> str | None:
    """Say what is wrong with the timestamps of clips, (B, T); None if nothing is.

    Args:
        times: In ms.
        length: Length of the clips, in ms.

    >>> wrong_times(torch.tensor([[0.5, 1.5]]), 2000)
    'end at 1.5 ms in a clip of 2000 ms'
    >>> wrong_times(torch.tensor([[500.0, 1500.0]]), 2000)
    """
    if times.shape[1] < 2:
        return None
    last, steps = float(times.max()), times.double().diff(dim=1)  # (B, T - 1)
    if not bool((steps > 0).all()):
        return "do not ascend"
    deviations = (steps - steps.median(dim=1, keepdim=True).values).abs()
    if int((deviations > _LARGEST_DEVIATION).sum(dim=1).max()) > 1:
        return "have several different intervals"
    if last > length or last < length / 2:
        return f"end at {last:g} ms in a clip of {length:g} ms"
    return None


def _imported(name: str) -> ModuleType:
    for variable in _OFFLINE:
        os.environ.setdefault(variable, "1")
    if not all(part.isidentifier() for part in str(name).split(".")):
        raise InputError(
            f"encoder.module={name} is no name of a module; name one as in Python, such as "
            "encoder.module=hear21passt.base."
        )
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise InputError(
                f"there is no module {name}; install its package, or put its folder on PYTHONPATH."
            ) from error
        raise _broken(name, error) from error
    except Exception as error:  # a module may raise any exception while it is imported
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> InputError:
    return InputError(f"{name} cannot be imported ({_cause(error)}); install what it needs.")


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or ['no reason'])[0]}"


def _existing(weights: Path | str) -> Path:
    path = Path(weights).expanduser()
    if not path.exists():
        raise InputError(
            f"encoder.weights={weights}: there is no such file or folder; correct the path, or "
            "leave it out if the module finds its weights by itself."
        )
    return path


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file())


def _stamps(path: Path) -> tuple[tuple[str, int, int], ...]:
    stats = [(str(file), file.stat()) for file in _files(path)]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
