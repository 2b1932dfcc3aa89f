"""One job of a sweep: a run in a folder of its own, whose failure is an outcome like any other."""

import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.cli import worker
from musicssl.cli.exits import signals_heard, termination
from musicssl.documents import null_to_nan
from musicssl.errors import disk_errors, input_error
from musicssl.evaluation.metrics import metric_info, primary_metric
from musicssl.runs.folder import ResultFolder, claimed
from musicssl.runs.preemption import preemption
from musicssl.runs.stacked.fit import seconds_waited


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        folder: Folder of the run.
        state: Whether it was trained now, before, or not to the end.
        seconds: Seconds that it took now.
        result: What it came to on the test split, such as "AUROC 0.816"; empty if it failed.
        cause: Why it failed, one sentence.
        mistake: Whether the failure is for the user to mend.
        validation: The metric by which runs of such a task are usually compared, on the validation
            clips; an error is negative, so that more is better. NaN if it failed.
    """

    folder: str
    state: Literal["trained", "was complete", "failed"]
    seconds: float
    result: str = ""
    cause: str = ""
    mistake: bool = False
    validation: float = math.nan

    def __float__(self) -> float:
        """Return `validation`, which Hydra's sweepers that search maximise."""
        return self.validation


def attempt(
    work: Callable[[], None], folder: ResultFolder, parallel: bool, runs: Path | None = None
) -> Outcome:
    """Do the work of a run; return what became of it, whatever is raised.

    A parallel job prints into log.txt of its folder. The traceback of a defect goes to error.txt.

    Args:
        work: Trains and tests, or finds that this was done.
        folder: Folder of the run; nobody else may work in it meanwhile.
        parallel: Whether other jobs run at the same time in other processes.
        runs: Folder of all runs; a job that leaves nothing leaves no empty folder in it.
    """
    start, before = time.perf_counter(), _stamp(folder)
    failure = folder.path / "error.txt"
    if parallel:
        worker.settle_in()
    try:
        printing = partial(_printing_to, folder.path) if parallel else nullcontext
        with signals_heard(), disk_errors(folder.path, "runs=FOLDER"):
            failure.unlink(missing_ok=True)
            with claimed(folder.path, top=runs), printing():
                work()
        termination.check()
    except SIGTERMException:
        if parallel:
            worker.leave()
        preemption.hand_on()
        raise
    except Exception as error:  # noqa: BLE001 no other job shall suffer from it
        mistake = input_error(error)
        cause = str(mistake)
        if mistake is None:
            folder.path.mkdir(parents=True, exist_ok=True)
            failure.write_text(traceback.format_exc())
            cause = f"{type(error).__name__}: {error}".splitlines()[0] + " (see error.txt)"
        seconds = time.perf_counter() - start - seconds_waited(folder.path)
        return Outcome(str(folder.path), "failed", seconds, "", cause, mistake is not None)
    state: Literal["trained", "was complete"] = (
        "was complete" if _stamp(folder) == before else "trained"
    )
    seconds = time.perf_counter() - start - seconds_waited(folder.path)
    validation = _validation(folder)
    return Outcome(str(folder.path), state, seconds, _result(folder), validation=validation)


def _result(folder: ResultFolder) -> str:
    """Return the metric by which runs of such a task are usually compared."""
    means = folder.result()["macro"]
    name = primary_metric(means)
    value = means[name]
    return f"{metric_info(name).heading} " + ("undefined" if value is None else f"{value:.3f}")


def _validation(folder: ResultFolder) -> float:
    """Return the same metric on the validation clips; see `Outcome`."""
    means = (folder.result().get("validation") or {}).get("macro")
    if not means:
        return math.nan
    name = primary_metric(means)
    sign = -1 if metric_info(name).smaller_is_better else 1
    return sign * float(null_to_nan(means[name]))


@contextmanager
def _printing_to(folder: Path) -> Iterator[None]:
    """Send standard output to log.txt: the descriptor, which loggers and libraries hold too."""
    sys.stdout.flush()
    screen = os.dup(1)
    with (folder / "log.txt").open("a") as file:
        os.dup2(file.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(screen, 1)
        os.close(screen)


def _stamp(folder: ResultFolder) -> int | None:
    """Return when the run was completed, in nanoseconds; None if it is not."""
    return folder.metrics.stat().st_mtime_ns if folder.is_complete else None
