"""Ctrl-C: it ends training between two steps, and other work at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias

Handler: TypeAlias = Callable[[int, FrameType | None], Any]


class Interruption:
    """Notes the first Ctrl-C, and lets a second one stop at once.

    The handler of a signal can raise its exception at any place in the program: inside an operation
    that then fails with an error of its own, or where Python ignores exceptions. So the handler
    does not stop training; the next step checks whether it should stop.

    Attributes:
        asked: Whether there was a Ctrl-C while a run trains.
        heard: Whether there was one since `remembered` began.
    """

    def __init__(self) -> None:
        self.asked = False
        self.heard = False

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Stop at once at a Ctrl-C, and set `heard`, unless there is another handler.

        Raises:
            KeyboardInterrupt: At a Ctrl-C, from the handler.
        """
        self.heard = False
        with self._answer(self._stop):
            yield

    @contextmanager
    def between_steps(self) -> Iterator[None]:
        """Note a Ctrl-C, unless there is another handler or Ctrl-C is ignored.

        Raises:
            KeyboardInterrupt: In the end, if there was one that no step has answered.
        """
        with self._answer(self._note) as is_answered:
            self.asked = False
            yield
        if is_answered:
            self.check()

    def check(self) -> None:
        """Stop now if that was asked for.

        Raises:
            KeyboardInterrupt: If so.
        """
        if self.asked:
            raise KeyboardInterrupt

    @contextmanager
    def _answer(self, handler: Handler) -> Iterator[bool]:
        """Install a handler unless there is another one; yield whether it was installed."""
        before = signal.getsignal(signal.SIGINT)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not in_main_thread or before not in (signal.default_int_handler, self._stop):
            yield False
            return
        signal.signal(signal.SIGINT, handler)
        try:
            yield True
        finally:
            if signal.getsignal(signal.SIGINT) == handler:  # Lightning may ignore it by now
                signal.signal(signal.SIGINT, before)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.heard = True
        raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.heard = True
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


interruption = Interruption()  # a process has one answer to a signal
