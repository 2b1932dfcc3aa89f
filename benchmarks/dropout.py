"""Milliseconds of dropout, forward and backward, on the 1280 x 128 units of an ATT layer.

python benchmarks/dropout.py
"""

import time
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from musicssl.networks.layers import Dropout

ROUNDS = 200


def milliseconds(layer: nn.Module, x: torch.Tensor) -> float:
    """Time one pass in each direction."""
    start = time.perf_counter()
    layer(x).backward(torch.ones_like(x))
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    """Measure both layers in turn and print one table."""
    x = torch.rand(1280, 128, requires_grad=True)
    table = Table("threads", "nn.Dropout, ms", "ours, ms", "ratio", title="Dropout, p = 0.6")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        times = [
            (milliseconds(nn.Dropout(0.6), x), milliseconds(Dropout(0.6), x)) for _ in range(ROUNDS)
        ]
        theirs, ours = (median(column) for column in zip(*times, strict=True))
        table.add_row(str(threads), f"{theirs:.2f}", f"{ours:.2f}", f"{theirs / ours:.1f} x")
    Console().print(table)


if __name__ == "__main__":
    main()
