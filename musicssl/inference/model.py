"""A trained network in use: sound of any length and rate in, scores and embeddings out."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.audio.decode import resample, stream_audio
from musicssl.batch import Batch
from musicssl.encoders.base.audio import AudioEncoder, instance_times
from musicssl.encoders.hear import HearEncoder
from musicssl.errors import InputError
from musicssl.evaluation.decisions import Decisions
from musicssl.evaluation.scores import SCORES
from musicssl.inference.description import Description
from musicssl.inference.prediction import Prediction
from musicssl.inference.streams import Samples, segments, stream_instances

_CHUNKS = 32  # that are embedded at a time


class Embedded(NamedTuple):
    """Embeddings of a recording.

    Attributes:
        h: Of each instance, (T, D) float32.
        times: Begin and end of each instance, in seconds, (T, 2).
    """

    h: NDArray[np.float32]
    times: NDArray[np.float64]


class Model:
    """A network, with the features that it was trained on.

    Memory holds the embeddings, or the instances, of a recording, and its sound only piece by
    piece. Results do not depend on how it is divided.

    Args:
        description: Description of the network.
        device: "cpu", "cuda" or "cuda:1".
        trusted: Further packages or modules that its parts may come from.
        batch_size: Chunks of sound that are embedded at a time.

    Attributes:
        classes: Names of the classes, in column order.
        task: "multi_label", "multi_class" or "regression".
        sample_rate: Sample rate of the sound that it reads, in Hz; other rates are resampled.
        decisions: Thresholds and temperatures that were chosen on validation, or None.
        description: As given.
    """

    def __init__(
        self,
        description: Description,
        device: str | torch.device = "cpu",
        trusted: Sequence[str] = (),
        batch_size: int = _CHUNKS,
    ) -> None:
        self.description = description
        self.device = torch.device(device)
        self.network = description.network(trusted).to(self.device)
        self.features = description.input(trusted)
        self.classes: tuple[str, ...] = description.classes
        self.task: str = description.task
        self.decisions: Decisions | None = description.decisions
        self.sample_rate: int = self.features.sample_rate
        self.of_sound = not callable(self.features)
        self._check_input()
        self._chunks = max(1, batch_size)
        if isinstance(self.network.encoder, AudioEncoder):
            self.network.encoder.slice_chunks = self._chunks

    @property
    def at_once(self) -> int:
        """How many recordings to work on at a time.

        Instances are computed from a recording on one core, so there is one recording for each
        thread of torch. Encoders of sound use all cores, or a GPU, for one recording.
        """
        alone = self.of_sound or self.device.type != "cpu"
        return 1 if alone else torch.get_num_threads()

    def predict(self, audio: Any, sample_rate: int | None = None) -> Prediction:
        """Predict the scores of a recording.

        Args:
            audio: Path of a file, or samples in [-1, 1]: (S,), or (channels, S).
            sample_rate: Sample rate of samples, in Hz; a file says its own.

        Raises:
            UnreadableAudioError: If a file cannot be used.
            InputError: If samples have another shape or are not finite, or the recording is too
                short for an instance.
        """
        return self.predict_blocks(self._blocks(audio, sample_rate))

    def embed(self, audio: Any, sample_rate: int | None = None) -> Embedded:
        """Embed a recording; see `predict`."""
        return self.embed_blocks(self._blocks(audio, sample_rate))

    def embed_blocks(self, blocks: Iterable[Samples]) -> Embedded:
        """Embed a recording from its samples at `sample_rate`, block by block."""
        h, times, _, _ = self._embedded(blocks)
        return Embedded(h[0].float().cpu().numpy(), times)

    def predict_blocks(self, blocks: Iterable[Samples]) -> Prediction:
        """Predict the scores of a recording from its samples at `sample_rate`, block by block."""
        h, times, seconds, x = self._embedded(blocks)
        with torch.inference_mode():
            logits, instances = self.network.from_embeddings(h, x)
            scores = SCORES[self.task]
            return Prediction(
                classes=self.classes,
                task=self.task,
                scores=scores(logits[0].float()).cpu().numpy(),
                times=times,
                timeline=scores(instances.logits[0].float()).cpu().numpy(),
                attention=instances.log_weights[0].float().exp().cpu().numpy(),
                seconds=seconds,
            )

    def _blocks(self, audio: Any, sample_rate: int | None) -> Iterator[Samples]:
        if isinstance(audio, str | Path):
            return stream_audio(Path(audio), self.sample_rate)
        if sample_rate is None:
            raise InputError("an array of samples has no sample rate; pass sample_rate=..., in Hz.")
        samples = np.asarray(audio, np.float32)
        if samples.ndim == 2 and len(samples) > 0:
            samples = samples.mean(axis=0)
        if samples.ndim != 1 or len(samples) == 0:
            raise InputError(
                f"samples are (S,) or (channels, S) and not empty, got {np.shape(audio)}."
            )
        if not np.isfinite(samples).all():
            raise InputError("the samples hold NaN or infinite values; mend them.")
        return iter([resample(samples, sample_rate, self.sample_rate)])

    @torch.inference_mode()
    def _embedded(
        self, blocks: Iterable[Samples]
    ) -> tuple[Tensor, NDArray[np.float64], float, Tensor | None]:
        """Embed a recording.

        Returns:
            Embeddings, (1, T, D); begin and end of each, (T, 2); the duration in seconds; and the
            instances that the encoder read, (1, T, F), or None if it reads sound.
        """
        counted, x = _Counted(blocks), None
        encoder = self.network.encoder
        if isinstance(encoder, HearEncoder):
            sound = np.concatenate([np.zeros(0, np.float32), *counted])
            h, times = encoder.located(torch.from_numpy(sound)[None].to(self.device))
        elif self.of_sound:
            h = self._embedded_sound(counted)
            times = self._times_of_sound(h.shape[1], counted.samples)
        else:
            pieces = list(stream_instances(self.features, counted))
            x = torch.from_numpy(np.concatenate(pieces))[None].to(self.device)  # (1, T, F)
            h = self._encoded(x)
            times = self._times_of_instances(h.shape[1], x.shape[1], counted.samples)
        seconds = counted.samples / self.sample_rate
        return h, np.minimum(times, seconds), seconds, x

    def _embedded_sound(self, blocks: Iterable[Samples]) -> Tensor:
        encoder = self.network.encoder
        if not isinstance(encoder, AudioEncoder):
            parts: Iterable[Samples] = [np.concatenate([np.zeros(0, np.float32), *blocks])]
        else:
            chunk = encoder.chunk_samples
            parts = segments(blocks, self._chunks * chunk, chunk, encoder.reach)
        return joined(self._encoded(torch.from_numpy(p)[None].to(self.device)) for p in parts)

    def _encoded(self, x: Tensor) -> Tensor:
        """Embed one recording, (1, T, F) or (1, S), without padding."""
        empty = torch.zeros(1, 0, device=x.device)
        h, valid = self.network.embed(Batch(x, empty, empty.bool()))
        return h if valid is None else h[:, valid[0]]

    def _times_of_sound(self, count: int, samples: int) -> NDArray[np.float64]:
        encoder = self.network.encoder
        if not isinstance(encoder, AudioEncoder):
            return _even(count, samples / self.sample_rate)
        begin, end = instance_times(encoder, samples, self.device)
        return np.stack([begin, end], axis=1) / self.sample_rate

    def _times_of_instances(self, count: int, given: int, samples: int) -> NDArray[np.float64]:
        if count != given:  # the encoder sums up the recording
            return _even(count, samples / self.sample_rate)
        edges = np.arange(count + 1) * float(self.features.instance_seconds)
        return np.stack([edges[:-1], edges[1:]], axis=1)

    def _check_input(self) -> None:
        wants_sound = bool(getattr(self.network.encoder, "of_sound", False))
        if wants_sound != self.of_sound:
            kind = "sound" if wants_sound else "instances"
            raise InputError(
                f"{self.description.path} has an encoder of {kind}, and features of another kind; "
                "use another copy."
            )


class _Counted:
    """Blocks of sound, and how many samples there were."""

    def __init__(self, blocks: Iterable[Samples]) -> None:
        self._blocks = blocks
        self.samples = 0

    def __iter__(self) -> Iterator[Samples]:
        for block in self._blocks:
            self.samples += len(block)
            yield block


def joined(pieces: Iterable[Tensor]) -> Tensor:
    """Return pieces, (1, T, D) each, one after another, (1, T, D).

    They are copied into one block as they come. Kept by themselves, they lie between the blocks of
    memory that the network works in, which then cannot be used again: a gigabyte for three hours.
    """
    whole, length = torch.empty(0), 0
    for piece in pieces:
        begin, length = length, length + piece.shape[1]
        if whole.numel() == 0 or length > whole.shape[1]:
            larger = piece.new_empty(1, 2 * length, *piece.shape[2:])
            if begin:
                larger[:, :begin] = whole[:, :begin]
            whole = larger
        whole[:, begin:length] = piece
    return whole[:, :length]


def _even(count: int, seconds: float) -> NDArray[np.float64]:
    edges = np.linspace(0, seconds, count + 1)
    return np.stack([edges[:-1], edges[1:]], axis=1)
