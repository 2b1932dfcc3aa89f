"""Ctrl-C while a run trains, which ends it between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Notes the first Ctrl-C, and lets a second one stop at once.

    What a signal's handler raises comes up wherever the process is: within an operation that then
    fails with an error of its own, or where Python ignores it. So training is not stopped by the
    handler, but by the next step that asks.

    Attributes:
        asked: Whether there was a Ctrl-C.
    """

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def between_steps(self) -> Iterator[None]:
        """Note Ctrl-C from now on, unless somebody else answers it or nobody is to.

        Raises:
            KeyboardInterrupt: In the end, if there was one that no step has answered.
        """
        before = signal.getsignal(signal.SIGINT)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not in_main_thread or before is not signal.default_int_handler:
            yield
            return
        self.asked = False
        signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGINT) == self._note:  # Lightning may ignore it by now
                signal.signal(signal.SIGINT, before)
        self.check()

    def check(self) -> None:
        """Stop now if that was asked for.

        Raises:
            KeyboardInterrupt: If so.
        """
        if self.asked:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


interruption = Interruption()  # a process has one answer to a signal
