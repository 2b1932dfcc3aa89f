"""The multiplicative LSTM as an encoder of sequences of tokens."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from examples.sentiment.events import VOCABULARY


class State(NamedTuple):
    """Output and cell of the mLSTM, (B, H) each."""

    h: Tensor
    c: Tensor


class MLSTM(nn.Module):
    """A multiplicative LSTM of tokens; clips are embedded by tanh of its cells.

    Krause et al. 2016, https://arxiv.org/abs/1609.07959, and Radford et al. 2017,
    https://arxiv.org/abs/1704.01444, without weight normalisation:

        m = (W_mx x) * (W_mh h)
        i, f, o, u = W_x x + W_m m + b;  c' = sig(f) c + sig(i) tanh(u);  h' = sig(o) tanh(c')

    Args:
        num_features: Must be 1: a feature is the number of the token.
        num_instances: Not used; clips may have any length.
        width: Of the embedding of a token.
        hidden: Number of units, H.
        summary: Embedding of a clip: "final", the cells after its last token, as in the paper, or
            "mean", those after all tokens, which the pooling averages.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int | None = None,
        width: int = 64,
        hidden: int = 128,
        summary: Literal["final", "mean"] = "mean",
    ) -> None:
        super().__init__()
        self.embed_dim, self.summary = hidden, summary
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.m_x = nn.Linear(width, hidden, bias=False)
        self.m_h = nn.Linear(hidden, hidden, bias=False)
        self.gates_x = nn.Linear(width, 4 * hidden)
        self.gates_m = nn.Linear(hidden, 4 * hidden, bias=False)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips of tokens, (B, T, 1), as (B, 1, H), or (B, T, H) with `summary="mean"`."""
        _, cells = self.read(x[..., 0].long())
        if self.summary == "mean":
            return cells.tanh(), valid
        if valid is None:
            return cells[:, -1:].tanh(), None
        clips = torch.arange(len(x), device=x.device)
        return cells[clips, valid.sum(dim=1) - 1].tanh().unsqueeze(1), None

    def read(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs and cells after each token, (B, T) -> (B, T, H) each."""
        x = self.embedding(tokens)
        m_x, gates_x = self.m_x(x).unbind(1), self.gates_x(x).unbind(1)
        state, states = self.start(len(tokens)), []
        for inputs in zip(m_x, gates_x, strict=True):
            state = self._next(*inputs, state)
            states.append(state)
        return torch.stack([s.h for s in states], 1), torch.stack([s.c for s in states], 1)

    def start(self, count: int) -> State:
        """Return the state before the first token."""
        zeros = self.m_h.weight.new_zeros(count, self.embed_dim)
        return State(zeros, zeros)

    def step(
        self, tokens: Tensor, state: State, forced: tuple[Tensor, Tensor] | None = None
    ) -> State:
        """Read one token of each sequence, (B,).

        Args:
            tokens: The tokens.
            state: Before them.
            forced: Units, (K,), and the values, (B, K) in (-1, 1), that tanh of their cells is set
                to.
        """
        x = self.embedding(tokens)
        return self._next(self.m_x(x), self.gates_x(x), state, forced)

    def _next(
        self,
        m_x: Tensor,
        gates_x: Tensor,
        state: State,
        forced: tuple[Tensor, Tensor] | None = None,
    ) -> State:
        i, f, o, u = (gates_x + self.gates_m(m_x * self.m_h(state.h))).chunk(4, dim=1)
        c = f.sigmoid() * state.c + i.sigmoid() * u.tanh()
        if forced is not None:
            c = c.index_copy(1, forced[0], forced[1].atanh())
        return State(o.sigmoid() * c.tanh(), c)
