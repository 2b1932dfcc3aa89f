"""The whole path from sound to scores as one module that torch.export and ONNX can hold.

Dynamic in the number of clips and their length. What depends on the data elsewhere, such as which
instances of the last chunk are used, is written as arithmetic of lengths here, and spectra are
convolutions with sines, because not every ONNX runtime has a Fourier transform.
"""

import copy
import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad
from torchaudio.functional import create_dct

from musicssl.audio.log_mel import LogMel, LogMelFrontend
from musicssl.audio.log_mel_mfcc import LogMelMFCC
from musicssl.encoders.base.audio import AudioEncoder
from musicssl.errors import InputError
from musicssl.evaluation.scores import SCORES
from musicssl.inference.model import Model
from musicssl.networks.classifier import Classifier, logits_of

_SLOPE_REACH = 4  # frames before and after


class SoundToScores(nn.Module):
    """Map sound, (B, S) float32, to the scores of clips, (B, C), and of instances, (B, T, C).

    Args:
        model: With features or an encoder that are known here.

    Attributes:
        least_samples: The shortest clip that it reads, of two instances.

    Raises:
        InputError: If its features or its encoder are others.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        network = copy.deepcopy(model.network).cpu()
        self._scores = SCORES[model.task]
        self.embedding: nn.Module
        if isinstance(network.encoder, AudioEncoder):
            self.embedding = _ChunkEmbedding(network)
        elif isinstance(model.features, LogMel | LogMelMFCC):
            self.embedding = _InstanceEmbedding(network, model.features)
        else:
            raise InputError(
                f"{model.description.path} reads {type(model.features).__name__}, for which there "
                "is no graph yet; export without --onnx and --torch-export."
            )
        self.pooling = network.pooling
        self.regression = network.regression
        self.least_samples = int(self.embedding.least_samples)

    def forward(self, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores of clips, (B, C), and of instances, (B, T, C)."""
        h, x = self.embedding(sound)  # (B, T, D), (B, T, F)
        logits, instances = logits_of(self.pooling, self.regression, h, x)
        return self._scores(logits), self._scores(instances.logits)


class _ChunkEmbedding(nn.Module):
    """Embed all chunks of clips; see `AudioEncoder.forward`."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        encoder = cast(AudioEncoder, network.encoder)
        if encoder.reach:
            raise InputError(
                f"{type(encoder).__name__} reads sound beyond the ends of its chunks, for which "
                "there is no graph; export without --onnx and --torch-export."
            )
        for name, module in list(encoder.named_children()):
            if isinstance(module, LogMelFrontend):
                setattr(encoder, name, _Spectra(module))
        self.encoder = encoder
        self.chunk = encoder.chunk_samples
        silence = torch.zeros(1, self.chunk)
        with torch.inference_mode():
            self.per_chunk = encoder.embed(silence).shape[1]  # T'
        # Two chunks and two instances: torch.export takes one for a constant.
        self.least_samples = max(self.chunk + 1, -(-3 * self.chunk // (2 * self.per_chunk)))

    def forward(self, sound: Tensor) -> tuple[Tensor, None]:
        """Return embeddings, (B, T, D), and no instances."""
        size, each = self.chunk, self.per_chunk
        samples = sound.shape[1]
        chunks = (samples + size - 1) // size
        starts = torch.arange(chunks, device=sound.device) * size
        starts = starts.clamp_max(samples - size)  # the last chunk ends with the clip
        positions = starts[:, None] + torch.arange(size, device=sound.device)
        cut = sound[:, positions.flatten()].reshape(-1, size)  # (B K, S0)
        h = self.encoder.embed(cut)
        h = h.reshape(sound.shape[0], -1, h.shape[-1])  # (B, K T', D)
        # Of the last chunk the instances at its end are used, whose centre is in no other chunk.
        count = (2 * each * samples + size) // (2 * size)  # T
        index = torch.arange(count, device=sound.device)
        of_last = index >= (chunks - 1) * each
        index = torch.where(of_last, index + (chunks * each - count), index)
        return h[:, index], None


class _InstanceEmbedding(nn.Module):
    """Compute the instances of `LogMel` or `LogMelMFCC`, and embed them."""

    transform: Tensor

    def __init__(self, network: Classifier, features: LogMel | LogMelMFCC) -> None:
        super().__init__()
        self.encoder = network.encoder
        rate, hop = features.sample_rate, features.sample_rate // features.frames_per_second
        per_instance = features.instance_seconds * rate / hop
        if not math.isclose(per_instance, round(per_instance)) or not features.are_tiles:
            raise InputError(
                f"instances of {per_instance:g} frames, {features.hop_seconds:g} s apart, have no "
                "graph; train with features.instance_seconds of whole frames that do not overlap, "
                "or export without --onnx and --torch-export."
            )
        self.statistics = tuple(features.statistics)
        coefficients = features.num_coefficients if isinstance(features, LogMelMFCC) else 0
        transform = create_dct(max(1, coefficients), features.num_mels, norm="ortho")
        self.register_buffer("transform", transform.T[:coefficients], persistent=False)
        self.frames = round(per_instance)
        self.samples = round(features.instance_seconds * rate)
        front = LogMelFrontend(
            rate, features.num_mels, features.n_fft, hop, floor_db=features.floor_db
        )
        self.spectra = _Spectra(front)
        self.least_samples = max(-(-3 * self.samples // 2), features.n_fft // 2 + 1)

    def forward(self, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings, (B, T, D), and the instances, (B, T, F)."""
        bands = self.spectra(sound)  # (B, F, K)
        frames = torch.cat([bands, self.transform @ bands], dim=1)
        known = frames.shape[2]
        count = (2 * sound.shape[1] + self.samples) // (2 * self.samples)  # T
        index = torch.arange(count * self.frames, device=sound.device)
        inside = index < known  # the last instance may be shorter
        last = torch.where(inside, index, 0).max()
        picked = frames[:, :, index.clamp_max(known - 1)]
        x = torch.cat([self._statistic(name, picked, inside, last) for name in self.statistics], 1)
        x = x.transpose(1, 2)
        return self.encoder(x, None)[0], x

    def _statistic(self, name: str, frames: Tensor, inside: Tensor, last: Tensor) -> Tensor:
        """Return a statistic of each instance, (B, F, T), from frames, (B, F, T L)."""
        if name.startswith("delta"):
            frames = _slopes(frames, last)
        weights = inside.reshape(-1, self.frames) / inside.reshape(-1, self.frames).sum(1)[:, None]
        values = frames.reshape(frames.shape[0], frames.shape[1], -1, self.frames)
        mean = (values * weights).sum(3)
        if name.endswith("mean"):
            return mean
        return ((values - mean[..., None]).square() * weights).sum(3).sqrt()


def _slopes(frames: Tensor, last: Tensor) -> Tensor:
    """Return the slopes of `instance_features.slopes` of frames, (B, F, K), up to the last one."""
    at = torch.arange(frames.shape[2], device=frames.device)
    slopes = torch.zeros_like(frames)
    for distance in range(1, _SLOPE_REACH + 1):
        after = frames[:, :, torch.minimum(at + distance, last)]
        before = frames[:, :, (at - distance).clamp_min(0)]
        slopes = slopes + distance * (after - before)
    return slopes / (2 * sum(d * d for d in range(1, _SLOPE_REACH + 1)))


class _Spectra(nn.Module):
    """Log-mel spectra as those of a `LogMelFrontend`, by convolutions."""

    waves: Tensor

    def __init__(self, frontend: LogMelFrontend) -> None:
        super().__init__()
        self.frontend = frontend
        self.n_fft, self.hop = frontend.n_fft, frontend.hop
        angles = torch.arange(self.n_fft // 2 + 1).double()[:, None] * torch.arange(self.n_fft)
        angles = angles % self.n_fft * (2 * math.pi / self.n_fft)
        waves = torch.cat([angles.cos(), angles.sin()]) * frontend.window.double()
        self.register_buffer("waves", waves.float()[:, None], persistent=False)  # (2 K, 1, n_fft)

    def forward(self, chunks: Tensor) -> Tensor:
        """Compute the spectra of chunks, (K, S) -> (K, F, T)."""
        sound = self.frontend.prepared(chunks)
        padded = pad(sound[:, None], (self.n_fft // 2, self.n_fft // 2), mode="reflect")
        real, imaginary = conv1d(padded, self.waves, stride=self.hop).chunk(2, dim=1)
        power = real.square() + imaginary.square()
        return self.frontend.compressed(self.frontend.bands @ power)


def example_of(graph: SoundToScores) -> Tensor:
    """Return two clips of silence of a usable length, to trace the graph with."""
    return torch.zeros(2, 3 * graph.least_samples + 7)


def dynamic_shapes(graph: SoundToScores) -> tuple[dict[int, Any]]:
    """Return which dimensions of the input may be any."""
    samples = torch.export.Dim("samples", min=graph.least_samples, max=2**31 - 1)
    return ({0: torch.export.Dim("clips"), 1: samples},)
