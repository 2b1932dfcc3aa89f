"""Make the next item while the current one is used."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def made_ahead(make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """Yield what is made of each item, in order, one being made in a thread of its own meanwhile.

    What `make` raises is raised where its result would have come.

    >>> list(made_ahead(abs, [-1, 2]))
    [1, 2]
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        waiting = None
        for item in items:
            following = thread.submit(make, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
