"""RNN: a bidirectional GRU over the instances of a clip."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from musicssl.networks.standardise import standardise as standardise_layer


class GRUEncoder(nn.Module):
    """Embed a clip by a bidirectional GRU over its instances.

    The RNN baseline of Gururani, Sharma and Lerch 2019, https://arxiv.org/abs/1907.04294: three
    bidirectional layers of 64 units, 226,068 parameters with a linear classifier of 20 classes on
    128 features.

    Args:
        num_features: Number of features of an instance, F.
        num_instances: Not used; clips may have any length.
        hidden: Number of units of one direction.
        num_layers: Number of layers.
        dropout: Probability of dropping a unit between layers.
        summary: Embedding of the clip. "final": the last states of both directions, each of which
            has read the whole clip. "last_frame": the output at the last instance, as in the
            authors' code, where the backward direction has read only that instance. "frames": the
            outputs at all instances, for the pooling to combine.
        standardise: Whether instances are standardised first; see
            `musicssl.networks.standardise`.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int | None = None,
        hidden: int = 64,
        num_layers: int = 3,
        dropout: float = 0.5,
        summary: Literal["final", "last_frame", "frames"] = "final",
        standardise: bool = False,
    ) -> None:
        super().__init__()
        self.embed_dim = 2 * hidden
        self.summary = summary
        self.standardise = standardise_layer(num_features, standardise)
        self.gru = nn.GRU(
            num_features,
            hidden,
            num_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout,
        )

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips, (B, T, F), as (B, 1, D), or as (B, T, D) with `summary="frames"`."""
        frames, states = self._read(self.standardise(x), valid)  # (B, T, D), (2 * layers, B, D / 2)
        if self.summary == "frames":
            return frames, valid
        if self.summary == "last_frame":
            last = _last_valid(frames, valid)
        else:
            last = torch.cat([states[-2], states[-1]], dim=-1)  # forward, backward
        return last.unsqueeze(1), None

    def _read(self, x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        if valid is None:
            frames, states = self.gru(x)
            return frames, states
        lengths = valid.sum(dim=1).cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        outputs, states = self.gru(packed)
        frames, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
        return frames, states


def _last_valid(frames: Tensor, valid: Tensor | None) -> Tensor:
    if valid is None:
        return frames[:, -1]
    last = valid.sum(dim=1) - 1  # (B,)
    return frames[torch.arange(len(frames), device=frames.device), last]
