"""The conditioned recurrent networks, one of pitches and one of durations."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from examples.melody.songs import BAR, DURATIONS, PITCHES
from musicssl.errors import InputError

CONDITIONS = ("inter", "chord", "next_chord", "bar_position")
SIZES = {"pitch": PITCHES, "duration": len(DURATIONS)}
_WIDTHS = {"pitch": 8, "duration": 4}  # of embeddings


class ChordEmbedding(nn.Module):
    """Embed a chord, root and pitch classes, (..., 13), as (..., 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.root = nn.Embedding(12, 2)
        self.classes = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))
        self.both = nn.Linear(6, 8)

    def forward(self, chord: Tensor) -> Tensor:
        """Embed chords."""
        h = torch.cat([self.root(chord[..., 0].long()), self.classes(chord[..., 1:])], dim=-1)
        embedded: Tensor = self.both(h)
        return embedded


class ConditionedRNN(nn.Module):
    """Predict the next token of a sequence from the tokens so far and from conditions.

    Genchel, Pati and Lerch 2019, https://arxiv.org/abs/1907.05208: embeddings; linear,
    batch norm, ReLU; LSTM of two layers; two linear layers. What is known before a note is drawn is
    read one note ahead: its position in the bar, its chord and the next chord. `inter` is the
    token of the other sequence so far, so that both networks can generate together. (Which
    of its tokens it is in the paper, we do not know.)

    Args:
        predicts: "pitch" or "duration".
        conditions: Some of `CONDITIONS`.
        hidden: Units of a layer.
        dropout: Between the layers of the LSTM.

    Raises:
        InputError: If there is no such condition.
    """

    def __init__(
        self, predicts: str, conditions: Sequence[str], hidden: int = 256, dropout: float = 0.2
    ) -> None:
        super().__init__()
        unknown = [name for name in conditions if name not in CONDITIONS]
        if unknown:
            raise InputError(
                f"encoder.conditions: there is no {unknown[0]}; choose of {', '.join(CONDITIONS)}."
            )
        self.predicts, self.conditions = predicts, tuple(conditions)
        other = "duration" if predicts == "pitch" else "pitch"
        self.embeddings = nn.ModuleDict(
            {name: nn.Embedding(SIZES[name], _WIDTHS[name]) for name in (predicts, other)}
        )
        self.position = nn.Embedding(BAR, 8)
        self.chord, self.next_chord = ChordEmbedding(), ChordEmbedding()
        width = _WIDTHS[predicts] + _WIDTHS[other] * ("inter" in conditions)
        width += 8 * sum(name in conditions for name in CONDITIONS[1:])
        self.linear, self.norm = nn.Linear(width, hidden), nn.BatchNorm1d(hidden)
        self.lstm = nn.LSTM(hidden, hidden, 2, batch_first=True, dropout=dropout)
        half = (hidden + SIZES[predicts]) // 2
        self.decoder = nn.Sequential(
            nn.Linear(hidden, half), nn.ReLU(), nn.Linear(half, SIZES[predicts])
        )

    def forward(
        self, x: Tensor, ahead: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Predict the tokens that follow.

        Args:
            x: Notes, (B, T, F); of these the tokens are read.
            ahead: The notes after them, (B, T, F); of these positions and chords are read.
            state: Of the LSTM before; None at the start.

        Returns:
            Logits of the tokens that follow, (B, T, K), outputs of the LSTM, (B, T, H), and state.
        """
        own, other = (0, 1) if self.predicts == "pitch" else (1, 0)
        names = list(self.embeddings)
        parts = [self.embeddings[names[0]](x[..., own].long())]
        if "inter" in self.conditions:
            parts.append(self.embeddings[names[1]](x[..., other].long()))
        if "chord" in self.conditions:
            parts.append(self.chord(ahead[..., 3:16]))
        if "next_chord" in self.conditions:
            parts.append(self.next_chord(ahead[..., 16:29]))
        if "bar_position" in self.conditions:
            parts.append(self.position(ahead[..., 2].long()))
        h = self.norm(self.linear(torch.cat(parts, dim=-1)).mT).mT.relu()
        outputs, state = self.lstm(h, state)
        return self.decoder(outputs), outputs, state


class MelodyNetworks(nn.Module):
    """Both networks as an encoder; the embedding of a note is both LSTMs' outputs after it.

    Args:
        num_features: Of the corpus `examples.melody.songs.Songs`.
        num_instances: Not used; clips may have any length.
        conditions: See `ConditionedRNN`; those of both networks.
        hidden: See `ConditionedRNN`.
        dropout: See `ConditionedRNN`.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int | None = None,
        conditions: Sequence[str] = CONDITIONS,
        hidden: int = 256,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.embed_dim = 2 * hidden
        self.pitch = ConditionedRNN("pitch", conditions, hidden, dropout)
        self.duration = ConditionedRNN("duration", conditions, hidden, dropout)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed the notes of clips but the last one, (B, T, F) -> (B, T - 1, 2 H)."""
        outputs = [network(x[:, :-1], x[:, 1:])[1] for network in (self.pitch, self.duration)]
        return torch.cat(outputs, dim=-1), None if valid is None else valid[:, 1:]
