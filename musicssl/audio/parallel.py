"""The same work on many items, in several processes, while a bar shows how far it is."""

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
    """Yield each item and what came of it, in order; few results wait in memory at a time.

    Args:
        work: Done on one thread of a worker process; must be picklable, as its results.
        items: What to do it on.
        num_workers: Processes; -1 for one per core.
        title: Of the bar, on standard error.
        chunk: Items a worker takes at a time.
    """
    chunks = [items[start : start + chunk] for start in range(0, len(items), chunk)]
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with (
        parallel_config("loky", n_jobs=num_workers, inner_max_num_threads=1),
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        bar = progress.add_task(title, total=len(items))
        done = Parallel(return_as="generator")(delayed(_each)(work, part) for part in chunks)
        for part, results in zip(chunks, done, strict=True):
            yield from zip(part, results, strict=True)
            progress.advance(bar, len(part))


def _each(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Work on one thread: the other workers have the other cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [work(item) for item in items]
    finally:
        torch.set_num_threads(threads)
