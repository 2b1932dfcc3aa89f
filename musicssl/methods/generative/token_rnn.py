"""The recurrent VAE of AR-VAE and of the dMelodies benchmark: beats, and ticks within them."""

import torch
from torch import Tensor, nn

from musicssl.methods.generative.tokens import (
    TokenDecoder,
    TokenEncoder,
    initialise_as_xavier,
)

_LAYERS = 2


class TokenRnnEncoder(TokenEncoder):
    """Embed tokens, and read them forwards and backwards by two layers of GRU.

    The last states of all layers and directions are the summary, (4 U); the hidden layer of a head
    has 2 U units.

    Args:
        num_tokens: Number of different tokens, V.
        num_ticks: Tokens of a row, T.
        latent_dim: Z.
        units: Number of units of each layer and direction, U.
        embedding_dim: Width of the embedding of a token.
        dropout: Probability of dropping a unit between the layers.
    """

    def __init__(
        self,
        num_tokens: int,
        num_ticks: int,
        latent_dim: int,
        units: int,
        embedding_dim: int,
        dropout: float,
    ) -> None:
        super().__init__(num_tokens, num_ticks, 2 * _LAYERS * units, 2 * units, latent_dim)
        self.embedding = nn.Embedding(num_tokens, embedding_dim)
        self.gru = nn.GRU(
            embedding_dim, units, _LAYERS, batch_first=True, dropout=dropout, bidirectional=True
        )
        initialise_as_xavier(self)

    def summarised(self, tokens: Tensor) -> Tensor:
        """Summarise rows of tokens, (B, T) int64 -> (B, 4 U)."""
        _, states = self.gru(self.embedding(tokens))  # (4, B, U)
        summary: Tensor = states.transpose(0, 1).flatten(1)
        return summary


class TokenRnnDecoder(TokenDecoder):
    """Decode beats from z, and the ticks of each beat from its beat and the token before.

    A linear layer and SELU make the first states of a GRU over the beats, whose input is a learnt
    number, from z. Two linear layers, each with SELU, make of the output of a beat the first states
    of a GRU over its ticks, and an input of each tick; the other input is the embedding of the
    token before, or a learnt one at the start of the row. Logits are a linear layer and a
    rectifier, as published, so that none is negative.

    In training all of a batch gets the right tokens as those before with probability
    `teacher_forcing`, else the most probable ones, as in evaluation.

    Args:
        num_tokens: Number of different tokens, V.
        num_ticks: Tokens of a row, T.
        latent_dim: Z.
        units: Number of units of each layer, U.
        embedding_dim: Width of the embedding of a token.
        dropout: Probability of dropping a unit between the layers.
        ticks_per_beat: Tokens of a beat, which divide T.
        teacher_forcing: Probability.
    """

    def __init__(
        self,
        num_tokens: int,
        num_ticks: int,
        latent_dim: int,
        units: int,
        embedding_dim: int,
        dropout: float,
        ticks_per_beat: int,
        teacher_forcing: float,
    ) -> None:
        super().__init__()
        self.num_beats, self.ticks_per_beat = num_ticks // ticks_per_beat, ticks_per_beat
        self.teacher_forcing = teacher_forcing
        self.beat_states = nn.Sequential(nn.Linear(latent_dim, _LAYERS * units), nn.SELU())
        self.beat_input = nn.Parameter(torch.zeros(1))
        self.beats = nn.GRU(1, units, _LAYERS, batch_first=True, dropout=dropout)
        self.tick_states = nn.Sequential(nn.Linear(units, _LAYERS * units), nn.SELU())
        self.tick_input = nn.Sequential(nn.Linear(units, units), nn.SELU())
        self.embedding = nn.Embedding(num_tokens, embedding_dim)
        self.first_input = nn.Parameter(torch.zeros(embedding_dim))
        inputs = embedding_dim + units
        self.ticks = nn.GRU(inputs, units, _LAYERS, batch_first=True, dropout=dropout)
        self.output = nn.Sequential(nn.Linear(units, num_tokens), nn.ReLU())
        initialise_as_xavier(self)

    def training_logits(self, z: Tensor, tokens: Tensor) -> Tensor:
        """Return logits given the right tokens before, or without them, (N, T, V)."""
        forced = torch.rand(()).item() < self.teacher_forcing
        return self.logits_after(z, tokens) if forced else self.logits(z)

    def logits(self, z: Tensor) -> Tensor:
        """Return the logits of each token after the most probable ones, (N, Z) -> (N, T, V)."""
        before = self.first_input.expand(len(z), 1, -1)  # (N, 1, E)
        outputs = []
        for beat in self._beats(z).unbind(1):  # (N, U)
            states, of_beat = _states(self.tick_states(beat)), self.tick_input(beat).unsqueeze(1)
            for _ in range(self.ticks_per_beat):
                output, states = self.ticks(torch.cat([before, of_beat], dim=2), states)
                outputs.append(self.output(output))  # (N, 1, V)
                before = self.embedding(outputs[-1].detach().argmax(dim=2))
        return torch.cat(outputs, dim=1)

    def logits_after(self, z: Tensor, tokens: Tensor) -> Tensor:
        """Return the logits of each token after the right ones, (N, Z), (N, T) -> (N, T, V)."""
        first = self.first_input.expand(len(z), 1, -1)
        before = torch.cat([first, self.embedding(tokens[:, :-1])], dim=1)  # (N, T, E)
        before = before.view(-1, self.ticks_per_beat, before.shape[2])  # beats as rows
        beats = self._beats(z).flatten(0, 1)  # (N K, U)
        of_beats = self.tick_input(beats).unsqueeze(1).expand(-1, self.ticks_per_beat, -1)
        states = _states(self.tick_states(beats))
        outputs, _ = self.ticks(torch.cat([before, of_beats], dim=2), states)
        logits: Tensor = self.output(outputs)
        return logits.view(len(z), -1, logits.shape[2])

    def _beats(self, z: Tensor) -> Tensor:
        """Return the outputs of the beats, (N, K, U)."""
        inputs = self.beat_input.expand(len(z), self.num_beats, 1)
        outputs: Tensor = self.beats(inputs, _states(self.beat_states(z)))[0]
        return outputs


def _states(flat: Tensor) -> Tensor:
    """Return the states of the layers, (N, L U) -> (L, N, U)."""
    return flat.view(len(flat), _LAYERS, -1).transpose(0, 1).contiguous()
