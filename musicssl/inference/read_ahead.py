"""Decode recordings in a thread while a network works on what was read before."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import NamedTuple, TypeVar

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
        paths: Of recordings.
        sample_rate: Of the blocks, in Hz.
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
    paths: Sequence[Path], sample_rate: int, work: Callable[[Iterator[Samples]], Found]
) -> Iterator[tuple[Path, Found | str]]:
    """Yield each path with what some work on its sound gives, or with what is wrong with it.

    Args:
        paths: Of recordings.
        sample_rate: Of the sound, in Hz.
        work: To be done with the blocks of a recording.
    """
    for path, blocks in read_ahead(paths, sample_rate):
        yield path, outcome(partial(work, blocks))


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
