"""Milliseconds of dropout, forward and backward, on the 1280 x 128 units of an ATT layer.

Both layers take turns, so that a busy machine slows both alike; the table has medians.

    python benchmarks/dropout.py [--threads 1 2] [--rounds 200] [--small]
"""

from collections.abc import Callable
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from rounds import milliseconds, parser, read
from torch import nn

from musicssl.networks.layers import Dropout


def both_ways(layer: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """Return one pass in each direction."""
    return lambda: layer(x).backward(torch.ones_like(x))


def main() -> None:
    """Measure both layers in turn and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments.add_argument("--rounds", type=int, default=200)
    chosen = read(arguments, rounds=2)
    x = torch.rand(1280, 128, requires_grad=True)
    table = Table("threads", "nn.Dropout, ms", "ours, ms", "ratio", title="Dropout, p = 0.6")
    calls = {"theirs": both_ways(nn.Dropout(0.6), x), "ours": both_ways(Dropout(0.6), x)}
    for threads in chosen.threads:
        torch.set_num_threads(threads)
        times = milliseconds(calls, chosen.rounds)
        theirs, ours = median(times["theirs"]), median(times["ours"])
        table.add_row(str(threads), f"{theirs:.2f}", f"{ours:.2f}", f"{theirs / ours:.1f} x")
    Console().print(table)


if __name__ == "__main__":
    main()
