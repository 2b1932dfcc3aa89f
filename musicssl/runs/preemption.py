"""A run whose job is about to be ended by a scheduler stops, saves and can be started again.

SLURM sends SIGUSR1 some time before a job's limit (`sbatch --signal=USR1@90`), and submitit, which
starts the jobs of launcher=slurm, lets it send SIGUSR2. To the run this is what SIGTERM is: it ends
the step and saves. Only the end differs, by which the scheduler knows that the job is to be queued
again.
"""

import signal
import threading
from types import FrameType


class Preemption:
    """Answers the signals of schedulers.

    Attributes:
        number: Number of the signal that was sent; None before.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    def install(self) -> None:
        """Stop at once at SIGUSR1 from now on, unless somebody else answers it."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
            signal.signal(signal.SIGUSR1, self._stop)

    def wait_for_steps(self) -> None:
        """While a run trains, end the step before stopping, and save, as at SIGTERM.

        Lightning gives the signals back to those who answered them, at the end of training.
        """
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            if callable(signal.getsignal(number)):
                signal.signal(number, self._terminate)

    def hand_on(self) -> None:
        """Let submitit, if it started this process, queue the job again now that all is saved."""
        if self.number is None:
            return
        handler = signal.getsignal(self.number)
        if callable(handler) and handler != self._stop:
            signal.raise_signal(self.number)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        from pytorch_lightning.utilities.exceptions import SIGTERMException  # takes seconds

        self.number = number
        raise SIGTERMException

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        signal.raise_signal(signal.SIGTERM)


preemption = Preemption()  # a process has one answer to a signal
