"""Decode recordings in a thread while a network works on what was read before."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import NamedTuple, TypeVar

import torch

from musicssl.audio.decode import stream_audio
from musicssl.audio.unreadable import UnreadableAudioError
from musicssl.errors import InputError
from musicssl.inference.streams import Samples

Found = TypeVar("Found")

_DEPTH = 32  # blocks that are decoded ahead


class _End(NamedTuple):
    """The end of a recording, and the fault that it ended with."""

    fault: Exception | None


def read_ahead(paths: Sequence[Path], sample_rate: int) -> Iterator[tuple[Path, Iterator[Samples]]]:
    """Yield each path with its sound, block by block; a fault is raised where it is reached.

    Args:
        paths: Paths of recordings.
        sample_rate: Sample rate of the blocks, in Hz.
    """
    queue: Queue[Samples | _End] = Queue(_DEPTH)
    stop = Event()
    thread = Thread(target=_decode, args=(paths, sample_rate, queue, stop), daemon=True)
    thread.start()
    try:
        for path in paths:
            blocks = _blocks(queue)
            yield path, blocks
            for _ in _silenced(blocks):  # what a reader that gave up has left
                pass
    finally:
        stop.set()
        while thread.is_alive():
            while not queue.empty():
                queue.get()
            thread.join(0.01)


def done_ahead(
    paths: Sequence[Path],
    sample_rate: int,
    work: Callable[[Iterator[Samples]], Found],
    at_once: int = 1,
) -> Iterator[tuple[Path, Found | str]]:
    """Yield each path with what some work on its sound gives, or with what is wrong with it.

    Args:
        paths: Paths of recordings.
        sample_rate: Sample rate of the sound, in Hz.
        work: To be done with the blocks of a recording.
        at_once: Recordings that are decoded and worked on at a time, one per thread. 1 works on one
            recording and decodes the next one meanwhile.
    """
    if at_once == 1:
        for path, blocks in read_ahead(paths, sample_rate):
            yield path, outcome(partial(work, blocks))
        return
    threads = torch.get_num_threads()
    # Each thread has one core: more threads of torch would take it from the other recordings.
    pool = ThreadPoolExecutor(at_once, initializer=partial(torch.set_num_threads, 1))
    waiting: deque[tuple[Path, Future[Found | str]]] = deque()
    try:
        for path in paths:
            if len(waiting) == 2 * at_once:
                done, found = waiting.popleft()
                yield done, found.result()
            waiting.append((path, pool.submit(_decoded_and_done, path, sample_rate, work)))
        while waiting:
            done, found = waiting.popleft()
            yield done, found.result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _decoded_and_done(
    path: Path, sample_rate: int, work: Callable[[Iterator[Samples]], Found]
) -> Found | str:
    return outcome(lambda: work(stream_audio(path, sample_rate)))


def outcome(work: Callable[[], Found]) -> Found | str:
    """Return what some work with a recording gives, or what is wrong with the recording."""
    try:
        return work()
    except UnreadableAudioError as error:
        return error.cause
    except InputError as error:
        return str(error)


def _decode(
    paths: Sequence[Path], sample_rate: int, queue: "Queue[Samples | _End]", stop: Event
) -> None:
    for path in paths:
        fault: Exception | None = None
        try:
            for block in stream_audio(path, sample_rate):
                if stop.is_set():
                    return
                queue.put(block)
        except Exception as error:  # noqa: BLE001 the reader raises it
            fault = error
        queue.put(_End(fault))
        if stop.is_set():
            return


def _blocks(queue: "Queue[Samples | _End]") -> Iterator[Samples]:
    while True:
        item = queue.get()
        if isinstance(item, _End):
            if item.fault is not None:
                raise item.fault
            return
        yield item


def _silenced(blocks: Iterator[Samples]) -> Iterator[Samples]:
    try:
        yield from blocks
    except InputError:  # the reader gave up before the fault
        return
