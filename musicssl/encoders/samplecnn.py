"""SampleCNN: convolutions of three samples each, on the waveform."""

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from musicssl.encoders.base.audio import AudioEncoder
from musicssl.errors import InputError
from musicssl.networks.layers import Dropout


class SampleCNN(AudioEncoder):
    """Embed chunks of sound by a convolution of stride 3 and blocks of convolution and pooling.

    The 3^9 model of Lee, Park, Kim and Nam 2017, https://arxiv.org/abs/1703.01789, checked against
    the layers of the authors' code: filters of 3 samples everywhere, batch norm after each
    convolution, max pooling by 3 at the end of each block, a last convolution of 512 filters, and
    dropout; 59,049 = 3^10 samples become one vector. It has 1,844,224 parameters, 1,838,336 of them
    in the convolutions. The encoder of SemiSupCon (Guinot, Quinton and Fazekas 2024,
    https://arxiv.org/abs/2407.13840) is `last_kernel=3`: 2,368,512 parameters, to which its code
    adds 65,664 of a layer that it never calls. With one vector for a chunk, two of these three taps
    see only zeros.

    Differences from the paper: its sample rate is 22,050 Hz, where a chunk lasts 2.7 s instead of
    3.7 s at 16,000 Hz. Pooling comes before the ReLU, which gives the same values for a third of
    the work. Batch norm has torch's constants (momentum 0.1, eps 1e-5), not Keras's (0.01, 1e-3).
    Chunks of a clip are combined by the chosen pooling, also in training; the paper trains on
    chunks as if each were a clip, and averages the probabilities of a clip's chunks in the test.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        chunk_samples: Number of samples that are embedded together; every 3^(num_blocks + 1) of
            them become one instance, and the remainder is ignored.
        num_blocks: Number of blocks after the first convolution. The first convolution and the
            first two blocks have width / 4 filters, the last block `width`, the others width / 2.
        width: Number of filters of the last block, and size of an embedding, D; a multiple of 4.
        last_kernel: Length of the filters of the last convolution.
        dropout: Probability of dropping a unit of the embedding.

    Raises:
        InputError: If a chunk is too short to become an instance, or a size is invalid.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        chunk_samples: int = 59_049,
        num_blocks: int = 9,
        width: int = 512,
        last_kernel: Literal[1, 3] = 1,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(chunk_samples, embed_dim=width)
        _check_sizes(chunk_samples, num_blocks, width)
        self._num_instances = chunk_samples // 3 ** (num_blocks + 1)
        quarter, half = width // 4, width // 2
        widths = (quarter, quarter, quarter, *[half] * (num_blocks - 3), width)
        layers: list[nn.Module] = [
            *_normalised(nn.Conv1d(1, quarter, kernel_size=3, stride=3)),
            nn.ReLU(inplace=True),
        ]
        for width_in, width_out in pairwise(widths):
            layers += [
                *_normalised(nn.Conv1d(width_in, width_out, kernel_size=3, padding=1)),
                nn.MaxPool1d(3),
                nn.ReLU(inplace=True),
            ]
        last = nn.Conv1d(width, width, kernel_size=last_kernel, padding=last_kernel // 2)
        layers += [*_normalised(last), nn.ReLU(inplace=True), Dropout(dropout)]
        self.layers = nn.Sequential(*layers)

    def embed(self, chunks: Tensor) -> Tensor:
        """Embed chunks, (K, S0) -> (K, T', D), T' = S0 // 3^(num_blocks + 1).

        Raises:
            InputError: If batch norm gets a single instance in training.
        """
        if self.training and len(chunks) * self._num_instances == 1:
            raise InputError(
                "encoder=samplecnn cannot be trained on one chunk at a time, because batch norm "
                "needs several; set data.batch_size to at least 2."
            )
        embedded: Tensor = self.layers(chunks.unsqueeze(1))  # (K, D, T')
        return embedded.transpose(1, 2)


def _normalised(convolution: nn.Conv1d) -> tuple[nn.Module, nn.Module]:
    """Initialise a convolution as the authors do, with He's uniform weights; add a batch norm."""
    nn.init.kaiming_uniform_(convolution.weight, nonlinearity="relu")
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return convolution, nn.BatchNorm1d(convolution.out_channels)


def _check_sizes(chunk_samples: int, num_blocks: int, width: int) -> None:
    if num_blocks < 3:
        raise InputError(f"encoder.num_blocks={num_blocks} is too few; set it to at least 3.")
    if width < 4 or width % 4:
        raise InputError(
            f"encoder.width={width} cannot be halved twice; choose a multiple of 4, such as 512."
        )
    least = 3 ** (num_blocks + 1)
    if chunk_samples < least:
        raise InputError(
            f"encoder.chunk_samples={chunk_samples} is too short for encoder=samplecnn with "
            f"{num_blocks} blocks; set it to at least {least}, or lower encoder.num_blocks."
        )
