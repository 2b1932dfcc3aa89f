"""Map a function over many items in several processes, with a progress bar."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from joblib import Parallel, delayed, parallel_config
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    num_workers: int,
    title: str,
    chunk: int,
) -> Iterator[tuple[Item, Result]]:
    """Yield every item with its result, in order; only a few results are in memory at a time.

    Args:
        work: Function of an item, called on one thread of a worker process; it and its results
            must be picklable.
        items: The items.
        num_workers: Number of processes; -1 for one per core.
        title: Title of the progress bar, which is on standard error.
        chunk: Number of items that a worker takes at a time.
    """
    chunks = [items[start : start + chunk] for start in range(0, len(items), chunk)]
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with (
        parallel_config("loky", n_jobs=num_workers, inner_max_num_threads=1),
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        bar = progress.add_task(title, total=len(items))
        outcomes = Parallel(return_as="generator")(delayed(_map)(work, part) for part in chunks)
        for part, results in zip(chunks, outcomes, strict=True):
            yield from zip(part, results, strict=True)
            progress.advance(bar, len(part))


def _map(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Work on one thread; the other cores belong to the other workers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [work(item) for item in items]
    finally:
        torch.set_num_threads(threads)
