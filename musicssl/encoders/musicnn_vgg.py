"""The vgg models of musicnn: small square filters on log-mel spectra."""

from pathlib import Path

from torch import Tensor, nn

from musicssl.audio.log_mel import LogMelFrontend
from musicssl.encoders.base.spectral import SpectralEncoder
from musicssl.encoders.pretrained import musicnn as published
from musicssl.networks.layers import Dropout
from musicssl.networks.spec_augment import SpecAugment

_NUM_MELS, _N_FFT, _HOP = 96, 512, 256
_FRAMES = 187
_FILTERS = 128
# Kernel, (frequency, time), and stride of each pooling.
_POOLINGS = (((1, 4), 2), *[((2, 2), 2)] * 3, ((4, 4), 4))
_PUBLISHED = {"sample_rate": 16_000}  # of the models with weights


class MusicnnVGG(SpectralEncoder):
    """Embed chunks of 2.992 s by five convolutions of 3 x 3, as one vector of 256 each.

    The baseline of Pons and Serra 2019, https://arxiv.org/abs/1909.06654, after Choi, Fazekas and
    Sandler 2016, https://arxiv.org/abs/1606.00298, checked against the authors' code and the shapes
    in their checkpoints (MTT_vgg): spectra as in `Musicnn`; five blocks of 128 filters, ReLU, batch
    norm, max pooling and dropout. From 96 bands and 187 frames 1 x 2 are left, 256 features. There
    are 592,896 parameters; the authors' linear layer for 50 tags and the gain and offset of the
    first batch norm make them 605,748.

    Differences: those of `Musicnn` in the ends of chunks, in the constants of batch norm and in
    the 16-bit floats. The linear layer on each chunk, whose answers the authors average over the
    chunks, is replaced by the chosen pooling.

    With `weights` the encoder computes in evaluation what a published model does; see `Musicnn`.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        block_dropout: Probability of dropping a value between blocks.
        dropout: Probability of dropping a unit of the embedding.
        weights: What to start from: "mtt", trained on MagnaTagATune; "msd", on the Million Song
            Dataset; None for new weights. See `musicssl.encoders.pretrained.musicnn`.
        weights_folder: Folder that holds MTT_vgg and MSD_vgg; None for the installed package.
        spec_augment: Hides parts of the spectra while training; None for nothing.

    Raises:
        InputError: If the weights are for another sample rate, or cannot be read.
    """

    norm: nn.BatchNorm2d

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 16_000,
        block_dropout: float = 0.25,
        dropout: float = 0.5,
        weights: str | None = None,
        weights_folder: Path | str | None = None,
        spec_augment: SpecAugment | None = None,
    ) -> None:
        super().__init__(
            LogMelFrontend(sample_rate, _NUM_MELS, _N_FFT, _HOP, "log10_10000", bands="slaney"),
            chunk_samples=_FRAMES * _HOP,
            embed_dim=2 * _FILTERS,
            least_frames=_FRAMES,
            spec_augment=spec_augment,
        )
        rates = [*[block_dropout] * (len(_POOLINGS) - 1), dropout]
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(1 if number == 0 else _FILTERS, _FILTERS, kernel_size=3, padding=1),
                    nn.ReLU(inplace=True),
                    nn.BatchNorm2d(_FILTERS),
                    nn.MaxPool2d(kernel, stride),
                    Dropout(rate),
                )
                for number, ((kernel, stride), rate) in enumerate(
                    zip(_POOLINGS, rates, strict=True)
                )
            )
        )
        self.store_channels_last()
        if weights is not None:
            published.check_fit(weights, _PUBLISHED, sample_rate=sample_rate)
            self.keeps_norm = True
            models = published.PUBLISHED_VGG
            tensors = published.read_weights(weights, weights_folder, models)
            published.fill_vgg(self.norm, [*self.blocks], tensors)

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed normalised spectra, (K, 1, 96, 187) -> (K, 1, 256)."""
        maps = self.blocks(spectra)  # (K, 128, 1, 2)
        embedded: Tensor = maps.permute(0, 2, 3, 1).flatten(1)  # as the authors': time first
        return embedded.unsqueeze(1)
