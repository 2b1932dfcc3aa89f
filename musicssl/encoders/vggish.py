"""VGGish: the network whose embeddings OpenMIC and AudioSet were published with."""

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from musicssl.audio.vggish_log_mel import HOP, NUM_MELS, SAMPLE_RATE, WINDOW, VGGishLogMel
from musicssl.encoders.base.audio import AudioEncoder
from musicssl.encoders.pretrained import vggish as published
from musicssl.errors import InputError

_FRAMES = 96  # of an example
_FILTERS = ((64,), (128,), (256, 256), (512, 512))  # of each block
_HIDDEN, _DIM = 4096, 128
_LARGEST = 2.0  # of what is quantised; the smallest is -2


class VGGish(AudioEncoder):
    """Embed each 0.96 s of sound by a VGG network on log-mel spectra, as one vector of 128.

    Hershey et al. 2017, https://arxiv.org/abs/1609.09430, as in the authors' code
    (tensorflow/models, research/audioset/vggish): examples of 96 frames of 64 bands, see
    `VGGishLogMel`; four blocks of 3 x 3 convolutions, ReLU and 2 x 2 max pooling with 64, 128,
    2 x 256 and 2 x 512 filters; layers of 4,096, 4,096 and 128 units with ReLU. There are
    72,141,184 parameters.

    The last two windows of an example reach 240 samples beyond its 0.96 s, into the sound that
    follows. Examples follow each other from the start of a clip, as the authors'. Theirs end with
    the last one that is whole; here a clip shorter than 0.975 s is padded with silence, and a rest
    of more than half an example becomes one that ends with the clip. A clip of 10 s has ten in
    both.

    With `postprocess` the embeddings are those that AudioSet and OpenMIC publish: the projection on
    `pca_eigen_vectors` after `pca_means` are subtracted, clipped to [-2, 2] and truncated to the
    whole numbers from 0 to 255 (torchvggish rounds); here divided by 255, as `dataset=openmic`
    divides them. Truncation has no gradient, so that the encoder has to be frozen.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz, which must be 16,000.
        weights: File to start from, see `musicssl.encoders.pretrained.vggish`; None for new
            weights.
        relu: Whether the last layer has a ReLU, as in torchvggish and in the authors' first code;
            their later code has none.
        postprocess: Whether embeddings are projected and truncated.
        pca: File of the projection; a checkpoint contains it.

    Raises:
        InputError: If the sample rate is another, or a file cannot be used.
    """

    pca_vectors: Tensor
    pca_means: Tensor
    reach = WINDOW - HOP

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = SAMPLE_RATE,
        weights: Path | str | None = None,
        relu: bool = True,
        postprocess: bool = False,
        pca: Path | str | None = None,
    ) -> None:
        super().__init__(_FRAMES * HOP, _DIM)
        if sample_rate != SAMPLE_RATE:
            raise InputError(
                f"encoder=vggish reads sound at {SAMPLE_RATE} Hz, got {sample_rate}; leave "
                "features.sample_rate and encoder.sample_rate out."
            )
        self.frontend = VGGishLogMel()
        self.features = _features()
        self.embeddings = _embeddings(relu)
        self.postprocess = postprocess
        if weights is not None:
            published.fill(self, weights)
        if postprocess:
            self.register_buffer("pca_vectors", torch.full((_DIM, _DIM), torch.nan))
            self.register_buffer("pca_means", torch.full((_DIM,), torch.nan))
        if postprocess and pca is not None:
            published.fill_pca(self.pca_vectors, self.pca_means, pca)

    def embed(self, chunks: Tensor) -> Tensor:
        """Embed examples of sound, (K, 15,360) or with what comes next (K, 15,600), (K, 1, 128).

        Raises:
            InputError: If embeddings are to be truncated in training, or without a projection.
        """
        missing = self.chunk_samples + self.reach - chunks.shape[1]
        spectra = self.frontend(pad(chunks, (0, missing)))  # (K, 64, 96)
        maps = self.features(spectra.unsqueeze(1))  # (K, 512, 4, 6)
        embedded: Tensor = self.embeddings(maps.permute(0, 3, 2, 1).flatten(1))  # (K, 128)
        return (self._quantised(embedded) if self.postprocess else embedded).unsqueeze(1)

    def _quantised(self, embedded: Tensor) -> Tensor:
        if self.training:
            raise InputError(
                "encoder.postprocess=true truncates embeddings, so that nothing before it can be "
                "trained; add finetune.frozen=[encoder], or leave it out."
            )
        if self.pca_means.isnan().any():
            raise InputError(
                "encoder.postprocess=true needs the projection of the authors; name their file, "
                "encoder.pca=/path/vggish_pca_params.npz."
            )
        return quantised((embedded.float() - self.pca_means) @ self.pca_vectors.T) / 255


def quantised(x: Tensor) -> Tensor:
    """Truncate values to the 256 steps from -2, which is 0, to 2, which is 255; clip the others.

    >>> quantised(torch.tensor([-3.0, -2.0, 0.0, 0.01, 2.0, 9.0])).tolist()
    [0.0, 0.0, 127.0, 128.0, 255.0, 255.0]
    """
    return ((x.clamp(-_LARGEST, _LARGEST) + _LARGEST) * (255 / (2 * _LARGEST))).floor()


def _features() -> nn.Sequential:
    layers: list[nn.Module] = []
    width_in = 1
    for block in _FILTERS:
        for width in block:
            layers += [nn.Conv2d(width_in, width, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
            width_in = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _embeddings(relu: bool) -> nn.Sequential:
    pooled = 2 ** len(_FILTERS)
    widths = (_FILTERS[-1][-1] * (_FRAMES // pooled) * (NUM_MELS // pooled), _HIDDEN, _HIDDEN, _DIM)
    layers: list[nn.Module] = []
    for width_in, width in pairwise(widths):
        layers += [nn.Linear(width_in, width), nn.ReLU(inplace=True)]
    return nn.Sequential(*(layers if relu else layers[:-1]))
