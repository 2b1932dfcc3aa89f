"""Milliseconds of a training step of each method of latent variables, and melodies a second.

A batch of dMelodies by the CNN-VAE and by the RNN-VAE, with the published sizes. "plain" is
`beta_vae` with weight 1 and no free nats, which is a plain VAE; the others are compared with it.
Each round times all methods in turn, in one process, so that a busy machine slows all of them
alike. A step is forward, loss, backward and optimizer, without Lightning. `factor_vae` trains its
discriminator, too, and decodes half of the batch. Then melodies of dMelodies are made from their
numbers, factors and tokens, and tunes of `folk_composed` are composed. The tables have medians.

    python benchmarks/latent_vaes.py [--clips 512] [--rounds 20] [--melodies 100000] [--small]
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from rich.console import Console
from rich.table import Table
from rounds import milliseconds, parser, read, show, step_of

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.datasets.dmelodies import DMelodies
from musicssl.datasets.synthesis.bars import compose as compose_tune
from musicssl.datasets.synthesis.melodies import COUNT, factors_of, tokens_of

CONF = Path(__file__).parents[1] / "conf"
METHODS = {
    "plain": ("beta_vae", "method.beta=1", "method.free_nats=0"),
    **{name: (name,) for name in ("beta_vae", "annealed_vae", "factor_vae", "ar_vae")},
}


def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors and tokens of so many melodies."""
    factors = factors_of(np.random.default_rng(0).integers(COUNT, size=count))
    return factors, tokens_of(factors)


def training_step(network: str, words: tuple[str, ...], clips: Batch) -> Callable[[], None]:
    """Return a function that trains a method by one step, after the warm-up of its regulariser."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(
            "train",
            [f"method={words[0]}", "dataset=dmelodies", f"autoencoder={network}", *words[1:]],
        )
    datamodule = SemiSupervisedDataModule(DMelodies(share=1e-4))  # few melodies, of the same sizes
    datamodule.setup()
    method: Any = instantiate(config.method, **datamodule.sizes).train()
    method._trainer = SimpleNamespace(world_size=1, current_epoch=99, num_training_batches=1852)
    method.record = lambda **terms: None
    optimizer = method._optimizer()
    return step_of(method, optimizer, clips)


def main() -> None:
    """Measure both networks, then the making of melodies."""
    arguments = parser(__doc__)
    arguments.add_argument("--clips", type=int, default=512, help="of a batch")
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--melodies", type=int, default=100_000)
    chosen = read(arguments, clips=8, rounds=2, melodies=100)
    torch.set_num_threads(1)
    factors, tokens = drawn(chosen.clips)
    x, y = torch.from_numpy(tokens.astype(np.int64)), torch.from_numpy(factors).float()
    clips = Batch(x, y, torch.ones_like(y).bool(), rows=torch.arange(len(x)))
    for network in ("cnn", "rnn"):
        torch.manual_seed(0)
        steps = {name: training_step(network, words, clips) for name, words in METHODS.items()}
        times = milliseconds(steps, chosen.rounds)
        title = f"autoencoder={network}, {chosen.clips} melodies, 1 thread"
        show(title, times, "plain", median(times["plain"]))
    tunes = max(1, chosen.melodies // 1000)
    made = milliseconds(
        {
            "dmelodies": lambda: drawn(chosen.melodies),
            "folk_composed": lambda: [compose_tune(np.random.default_rng(n)) for n in range(tunes)],
        },
        chosen.rounds,
    )
    table = Table("", "clips", "ms", "clips a second")
    for (name, values), count in zip(made.items(), (chosen.melodies, 16 * tunes), strict=True):
        taken = median(values)
        table.add_row(name, f"{count:,}", f"{taken:.1f}", f"{1000 * count / taken:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
