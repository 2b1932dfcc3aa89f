"""A training whose settings are composed once, and that then is started as often as one likes.

Each start is a process of its own, forked where `train.py` would begin its work. From there on it
is what the command is: it prints, meets signals, and ends with the command's exit status.
"""

import os
import pickle
import runpy
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from musicssl.cli import training
from tests.support.preloaded import MODULES

T = TypeVar("T")
Start = Callable[[], int]

ROOT = Path(__file__).parents[2]
LATER = (  # modules that a run imports on its way, beside those of every command
    *("musicssl.runs.baselines", "musicssl.datasets.synthesis.render", "musicssl.methods.att"),
    *("musicssl.methods.temporal_ensembling", "musicssl.methods.fixmatch"),
    *("musicssl.runs.artifacts.robustness", "musicssl.runs.artifacts.localisation"),
    *("musicssl.augment.sound.mp3", "musicssl.figures.run_figures", "sklearn.metrics"),
    *("musicssl.evaluation.statistics.bootstrap", "sklearn.linear_model", "torchaudio"),
)


class _Started(BaseException):
    """Raised in a process that was just started, to leave what started it."""


def composed(settings: Sequence[str], folder: Path, use: Callable[[Start], T]) -> T:
    """Compose a training and use it, in a process of its own; return what came of that.

    Args:
        settings: Words of the command line.
        folder: In which it is started, and which may be another folder each time.
        use: Is given a function that starts it and returns the number of its process. What a run
            prints goes to log.txt of the folder.
    """
    for name in (*MODULES, *LATER):
        import_module(name)
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        _compose(settings, folder, use, sender)
    os.close(sender)
    with os.fdopen(receiver, "rb") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    if not answer:
        raise SystemExit("no answer, see above")
    found: T = pickle.loads(answer)
    return found


def _compose(
    settings: Sequence[str], folder: Path, use: Callable[[Start], Any], sender: int
) -> None:
    status, do_job = 1, training.do_job

    def used(work: Callable[[], None], result: Any) -> Any:
        training.do_job = do_job
        try:
            answer = use(partial(_start, folder))
        except _Started:
            return do_job(work, result)
        with os.fdopen(sender, "wb") as answers:
            answers.write(pickle.dumps(answer))
        sys.stdout.flush()
        os._exit(0)

    try:
        os.chdir(folder)
        training.do_job = used
        sys.argv = [str(ROOT / "train.py"), *settings]
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001 the process must not come back into its parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _start(folder: Path) -> int:
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    os.chdir(folder)
    log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    raise _Started


def ended(child: int) -> int | None:
    """Return the exit status of a process, None if it still runs."""
    number, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if number else None
