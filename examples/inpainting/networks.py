"""MeasureVAE, which embeds bars, and LatentRNN, which fills in embeddings of bars."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, selu

from examples.inpainting.tunes import BARS, TOKENS
from musicssl.datasets.formats.abc_bars import TICKS
from musicssl.methods.generative.vae import Gaussian, gaussian_of

_BEATS = 4
_STEPS = TICKS // _BEATS


class MeasureEncoder(nn.Module):
    """q(z | bar): a GRU in both directions over the tokens of a bar.

    Pati, Lerch and Hadjeres 2019, https://arxiv.org/abs/1907.01164, section 3.1.

    Args:
        num_features: Must be 1: a feature is a token.
        num_instances: Not used.
        width: Of the embedding of a token.
        hidden: Units of a direction and a layer.
        latent_dim: Latent variables of a bar, Z.
        dropout: Between the two layers.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int | None = None,
        width: int = 10,
        hidden: int = 64,
        latent_dim: int = 32,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embed_dim, self.hidden = latent_dim, hidden
        self.embedding = nn.Embedding(TOKENS, width)
        self.gru = nn.GRU(width, hidden, 2, batch_first=True, bidirectional=True, dropout=dropout)
        self.linear = nn.Linear(4 * hidden, 2 * hidden)
        self.gaussian = nn.Linear(2 * hidden, 2 * latent_dim)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips of tokens, (B, BARS * TICKS, 1), by the means of bars, (B, BARS, Z)."""
        return self.posterior(x[..., 0].long().view(-1, BARS, TICKS)).mean, None

    def posterior(self, bars: Tensor) -> Gaussian:
        """Return q(z | bar) of bars, (..., TICKS)."""
        _, state = self.gru(self.embedding(bars.reshape(-1, TICKS)))  # (4, K, hidden)
        h = selu(self.linear(state.transpose(0, 1).flatten(1)))
        return gaussian_of(self.gaussian(h).view(*bars.shape[:-1], -1))


class MeasureDecoder(nn.Module):
    """p(bar | z) in two levels: a GRU over beats, whose outputs start one over the ticks of each.

    Args:
        width: Of the embedding of a token.
        hidden: Units of a layer.
        latent_dim: Latent variables of a bar, Z.
        dropout: Between the two layers.
    """

    def __init__(self, width: int, hidden: int, latent_dim: int, dropout: float) -> None:
        super().__init__()
        self.hidden = hidden
        self.start = nn.Linear(latent_dim, 2 * hidden)
        self.beat_input = nn.Parameter(torch.zeros(1))
        self.beats = nn.GRU(1, hidden, 2, batch_first=True, dropout=dropout)
        self.tick_start, self.of_beat = nn.Linear(hidden, 2 * hidden), nn.Linear(hidden, hidden)
        self.embedding = nn.Embedding(TOKENS + 1, width)  # the last one begins a bar
        self.ticks = nn.GRU(hidden + width, hidden, 2, batch_first=True, dropout=dropout)
        self.output = nn.Linear(hidden, TOKENS)

    def forward(self, z: Tensor, bars: Tensor | None = None) -> Tensor:
        """Return the logits of tokens, (K, Z) -> (K, TICKS, TOKENS).

        Args:
            z: Latent variables of bars.
            bars: Tokens, (K, TICKS), of which those before a tick are known when it is predicted;
                None to know the most probable ones instead.
        """
        start = selu(self.start(z)).view(len(z), 2, self.hidden).transpose(0, 1).contiguous()
        h, _ = self.beats(self.beat_input.expand(len(z), _BEATS, 1), start)  # (K, 4, H)
        states = selu(self.tick_start(h)).view(len(z), _BEATS, 2, self.hidden)
        of_beat = selu(self.of_beat(h))
        if bars is not None:
            before = torch.cat([torch.full_like(bars[:, :1], TOKENS), bars[:, :-1]], dim=1)
            inputs = of_beat.repeat_interleave(_STEPS, dim=1), self.embedding(before)
            inputs_of_beats = torch.cat(inputs, dim=-1).view(len(z) * _BEATS, _STEPS, -1)
            state = states.flatten(0, 1).transpose(0, 1).contiguous()
            logits: Tensor = self.output(self.ticks(inputs_of_beats, state)[0])
            return logits.view(len(z), TICKS, TOKENS)
        token, found = torch.full((len(z),), TOKENS, device=z.device), []
        for beat in range(_BEATS):
            state = states[:, beat].transpose(0, 1).contiguous()
            for _ in range(_STEPS):
                inputs_now = torch.cat([of_beat[:, beat], self.embedding(token)], dim=-1)
                output, state = self.ticks(inputs_now[:, None], state)
                found.append(self.output(output[:, 0]))
                token = found[-1].argmax(dim=-1)
        return torch.stack(found, dim=1)

    def nll(self, z: Tensor, bars: Tensor) -> Tensor:
        """Return -log p of each token given z and those before it, (K, TICKS)."""
        return cross_entropy(self(z, bars).mT, bars, reduction="none")


class LatentRNN(nn.Module):
    """Fill in the latent variables of missing bars from those before and after them.

    Pati, Lerch and Hadjeres 2019, section 3.2: two GRUs in both directions read the past and the
    future; their last states, concatenated, start a GRU twice as wide, which gives one z after the
    other.

    Args:
        latent_dim: Latent variables of a bar, Z.
        hidden: Units of a direction and a layer of the readers.
        context: "both"; "past" or "none" hide the future, or everything, for comparison.
        dropout: Between layers.
    """

    def __init__(
        self, latent_dim: int, hidden: int, context: Literal["both", "past", "none"], dropout: float
    ) -> None:
        super().__init__()
        self.context = context

        def gru(size: int) -> nn.GRU:
            return nn.GRU(
                latent_dim, size, 2, batch_first=True, bidirectional=True, dropout=dropout
            )

        self.past, self.future, self.generator = gru(hidden), gru(hidden), gru(2 * hidden)
        self.output = nn.Linear(4 * hidden, latent_dim)

    def start(self, past: Tensor, future: Tensor) -> Tensor:
        """Return the first state of the generating GRU from bars, (B, P, Z) and (B, F, Z)."""
        states = [self.past(past)[1], self.future(future)[1]]  # (4, B, H) each
        known = {"both": (1, 1), "past": (1, 0), "none": (0, 0)}[self.context]
        return torch.cat([s * k for s, k in zip(states, known, strict=True)], dim=-1)

    def step(self, before: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next z, (B, Z), and state, given that of the bar before it."""
        if self.context == "none":
            before = torch.zeros_like(before)
        output, state = self.generator(before[:, None], state)
        return self.output(output[:, 0]), state
