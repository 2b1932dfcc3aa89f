"""Music with a sentiment: generated while the sentiment neurons are held at chosen values."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from examples.sentiment.events import FIRST, decode, write_midi
from examples.sentiment.method import Sentiment
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.folder import RunFolder

PIECES, TOKENS = 40, 120  # generated for each sentiment
POPULATION, GENERATIONS, EACH = 16, 6, 8  # of the genetic algorithm, and its pieces for a fitness
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


class ForcedMusic:
    """Write positive, negative and free pieces as MIDI, and say how many of each are in major."""

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Evolve the forced values, generate, and judge by a rule that knows no network."""
        method: Sentiment = run.method
        folder = run.folder.path / "generated"
        folder.mkdir(exist_ok=True)
        rng = np.random.default_rng(0)
        neurons = method.classifier.pooling.classifier.weight[0].nonzero()[:, 0]
        result: dict[str, Any] = {"neurons": neurons.tolist()}
        for name, wanted in (("positive", 1.0), ("negative", 0.0), ("free", None)):
            forced = None
            if wanted is not None and len(neurons):
                values = evolved(method, neurons, wanted, rng)
                forced = (neurons, values.expand(PIECES, -1))
            pieces = generate(method, PIECES, TOKENS, forced)
            for row, tokens in enumerate(pieces[:5].tolist()):
                write_midi(folder / f"{name}{row}.mid", tokens)
            result[f"major_{name}"] = float(np.mean([is_major(p) for p in pieces.tolist()]))
        macro = method.measured(run.datamodule, "test")
        return {"macro": macro, "forced_music": result}

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print the shares."""
        found = document.get("forced_music")
        if found is not None:
            console.print(
                f"{len(found['neurons'])} sentiment neurons. In major, by the profiles of keys: "
                f"{found['major_positive']:.0%} of pieces forced to be positive, "
                f"{found['major_negative']:.0%} of those forced to be negative, "
                f"{found['major_free']:.0%} of free ones: {folder.path}/generated"
            )


@torch.inference_mode()
def generate(
    method: Sentiment, count: int, length: int, forced: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Sample sequences of tokens, (count, length); see `MLSTM.step` for `forced`.

    A sequence starts with a tempo of 120. Padding is never drawn.
    """
    encoder, device = method.classifier.encoder, method.device
    generator = torch.Generator(device).manual_seed(0)
    token = torch.full((count,), FIRST["t"] + 24, device=device)
    state, tokens = encoder.start(count), [token]
    for _ in range(length - 1):
        state = encoder.step(token, state, forced)
        shares = method.head(state.h)[:, 1:].softmax(dim=1)
        token = 1 + torch.multinomial(shares, 1, generator=generator)[:, 0]
        tokens.append(token)
    return torch.stack(tokens, dim=1)


def evolved(method: Sentiment, neurons: Tensor, wanted: float, rng: np.random.Generator) -> Tensor:
    """Find values of the neurons, (K,), with which pieces are classified as wanted.

    A genetic algorithm as in the paper, smaller: the fitness of values is how near the probability
    of pieces generated with them is to `wanted`, read again without forcing.
    """
    size = (POPULATION, len(neurons))
    population = torch.from_numpy(rng.uniform(-0.95, 0.95, size)).float().to(method.device)
    for generation in range(GENERATIONS + 1):
        tokens = generate(
            method, POPULATION * EACH, TOKENS, (neurons, population.repeat_interleave(EACH, 0))
        )
        with torch.inference_mode():
            embedded = method.classifier.encoder(tokens[..., None])
            positive = method.classifier.pooling(*embedded)[:, 0].sigmoid()
        errors = (positive - wanted).abs().view(POPULATION, EACH).mean(dim=1)
        population = population[errors.argsort()]
        if generation < GENERATIONS:
            parents = rng.integers(POPULATION // 2, size=(POPULATION - POPULATION // 2, 2))
            pairs = population[torch.from_numpy(parents)]
            mixed = torch.from_numpy(rng.random(pairs[:, 0].shape) < 0.5).to(pairs.device)
            noise = torch.from_numpy(rng.normal(0, 0.1, mixed.shape)).float().to(pairs.device)
            children = (pairs[:, 0].where(mixed, pairs[:, 1]) + noise).clamp(-0.95, 0.95)
            population = torch.cat([population[: POPULATION // 2], children])
    return population[0]


def is_major(tokens: list[int]) -> bool:
    """Decide by the key profiles of Krumhansl and Kessler 1982, weighted by duration."""
    weights = np.zeros(12)
    for note in decode(tokens)[0]:
        weights[note.key % 12] += note.duration
    if not weights.any():
        return False
    fits = [
        max(np.corrcoef(np.roll(profile, key), weights)[0, 1] for key in range(12))
        for profile in (_MAJOR, _MINOR)
    ]
    return bool(fits[0] > fits[1])
