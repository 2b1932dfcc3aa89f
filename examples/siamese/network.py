"""The encoders of sound and of notes, as one encoder of musicssl."""

from torch import Tensor, cat, nn

from musicssl.errors import InputError

NUM_KEYS = 88  # of a piano roll
LOWEST_KEY = 21  # MIDI


class PairEncoder(nn.Module):
    """Two encoders of equal layers, of log-mel frames and of a piano roll; the design is ours.

    Each has three convolutions over time, with batch norm and ReLU, the second and third with
    stride 2.

    Args:
        num_features: Features of a frame: 88 keys, then mel bands.
        num_instances: Not used.
        width: Size of the embedding of each, D / 2.
        kernel: Frames of a convolution, odd.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int | None = None,
        width: int = 128,
        kernel: int = 5,
    ) -> None:
        super().__init__()
        if num_features <= NUM_KEYS:
            raise InputError(
                "this encoder reads piano rolls with log-mel frames; choose dataset=pieces or "
                "maestro."
            )
        self.embed_dim = 2 * width
        self.of_sound = _layers(num_features - NUM_KEYS, width, kernel)
        self.of_notes = _layers(NUM_KEYS, width, kernel)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Map frames, (B, T, F), to embeddings, (B, T / 4, D): first of sound, then of notes."""
        frames = x.transpose(1, 2)
        sound, notes = self.of_sound(frames[:, NUM_KEYS:]), self.of_notes(frames[:, :NUM_KEYS])
        return cat([sound, notes], dim=1).transpose(1, 2), None


def _layers(num_features: int, width: int, kernel: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for features, stride in ((num_features, 1), (width, 2), (width, 2)):
        layers += [
            nn.Conv1d(features, width, kernel, stride, padding=kernel // 2),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)
