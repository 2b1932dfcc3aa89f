"""Sweeps: many runs by one command, with their progress and, at the end, what became of each.

Hydra composes the jobs and its launchers run them, one after another, side by side, or on a
cluster. What must be known at the end passes through a journal, a line for each job that has ended.
"""

import atexit
import fcntl
import json
import math
import os
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from joblib import cpu_count
from omegaconf import DictConfig, OmegaConf, ValidationError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

import musicssl.cli.resolvers  # noqa: F401 registers resolvers; workers import this module first
from musicssl.cli.exits import termination
from musicssl.cli.fold_axis import adapt_folds
from musicssl.cli.imports import quick_imports
from musicssl.errors import InputError, disk_errors, printable, user_errors
from musicssl.runs.preemption import preemption

with quick_imports():  # Hydra imports this module first of all that need Lightning
    from musicssl.cli.job import Outcome

_WIDTH = 100  # columns where the output is no terminal
_FEW = 4  # folders that fit into a command to type
_LOCAL = ("basic", "joblib", "stacked")  # launchers on this machine


class SweepProgress(Callback):
    """Print a line after each job and a table after the last; exit with the status of the sweep.

    Hydra calls `on_job_end` in the process of the job, which holds a copy of this object.
    """

    def __init__(self) -> None:
        self.journal: Path | None = None  # of the sweep; none in a run by itself
        self.axes: dict[str, list[str]] = {}
        self.total = 1  # jobs
        self.jobs = 1  # at a time

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Print what the sweep will do."""
        with _failures_end_the_sweep():
            self._start(config)

    def _start(self, config: DictConfig) -> None:
        _check_started_once()
        adapt_folds(config)
        self.axes = axes(config)
        product = math.prod(len(values) for values in self.axes.values())
        trials = config.hydra.sweeper.get("trials")  # of a search
        self.total = product if trials is None else trials
        self.jobs = jobs_at_a_time(config.hydra.launcher)
        if config.hydra.runtime.choices["hydra/launcher"] not in _LOCAL:
            self.jobs = self.total  # a cluster starts as many as it can
        self.journal = Path(config.hydra.sweep.dir).absolute() / f".sweep-{os.getpid()}.jsonl"
        with disk_errors(self.journal.parent, "runs=FOLDER"):
            self.journal.parent.mkdir(parents=True, exist_ok=True)
            self.journal.write_text("")
        atexit.register(self.journal.unlink, missing_ok=True)
        termination.install()
        preemption.install()
        varied = "  ".join(f"{key}={','.join(values)}" for key, values in self.axes.items())
        what = "runs" if trials is None else "complete trials in the study"
        print(f"{self.total} {what}, {self.jobs} at a time: {varied}")

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Write down what became of the job; print it, and how far the sweep is."""
        if self.journal is not None:
            with _failures_end_the_sweep():
                self._note(config, job_return, self.journal)

    def _note(self, config: DictConfig, job_return: JobReturn, journal: Path) -> None:
        outcome: Outcome = job_return.return_value
        label = self._label(config)
        record = {"number": config.hydra.job.num, "label": label, **asdict(outcome)}
        with disk_errors(journal.parent, "runs=FOLDER"), journal.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # lines on the screen in the order of their counts
            file.write(json.dumps(record) + "\n")
            file.flush()
            print(f"{progress(_read(journal), self.total, self.jobs)}: {_line(record)}")
            sys.stdout.flush()

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Show all jobs; exit with 1 after a defect, else with 2 after a user's mistake."""
        with _failures_end_the_sweep():
            self._sum_up()

    def _sum_up(self) -> None:
        assert self.journal is not None
        records = sorted(_read(self.journal), key=lambda record: record["number"])
        console = Console(soft_wrap=True, highlight=False)
        if not console.is_terminal:
            console.width = _WIDTH
        console.print(outcome_table(records))
        failed = [record for record in records if record["state"] == "failed"]
        complete = [record for record in records if record["state"] != "failed"]
        self._show_folds(console, [Path(record["folder"]) for record in complete])
        for record in failed:
            sys.stdout.flush()
            print(printable(f"failed: {record['label']}: {record['cause']}"), file=sys.stderr)
            print(f"        in {_relative(record['folder'])}", file=sys.stderr)
        if complete:
            command = f"python -m musicssl.report {_places(complete)}"
            console.print(f"Compare them: {command}", markup=False)
        if failed:
            sys.exit(2 if all(record["mistake"] for record in failed) else 1)

    def _show_folds(self, console: Console, folders: Sequence[Path]) -> None:
        """Show the metrics of the clips of all folds, if folds are what the sweep varies."""
        if not any(key.rpartition(".")[2] in ("fold", "test_fold") for key in self.axes):
            return
        from musicssl.cli.fold_summary import fold_table  # SciPy

        table = fold_table(folders)
        if table is not None:
            console.print(table)

    def _label(self, config: DictConfig) -> str:
        """Name a job by what the sweep varies, `att p_s=0.1 seed=0`."""
        choices = config.hydra.runtime.choices
        pairs = [override.partition("=") for override in _plain(config.hydra.overrides.task)]
        parts = [
            value if key in choices else f"{key.rpartition('.')[2]}={value}"
            for key, _, value in pairs
            if key in self.axes
        ]
        return " ".join(parts) or Path(config.hydra.runtime.output_dir).name


def _check_started_once() -> None:
    """Make sure that no process of a distributed run starts the sweep again.

    Raises:
        InputError: If one does.
    """
    ranks = os.environ.get("WORLD_SIZE", "1")
    if ranks != "1":
        raise InputError(
            f"this sweep is started by {ranks} processes at once (WORLD_SIZE, as torchrun sets "
            "it), each of which would train all of it; start it by python train.py -m ... alone, "
            "with launcher=joblib jobs=N to train N jobs at a time, or leave out -m to train one "
            "run on all of them."
        )


def axes(config: DictConfig) -> dict[str, list[str]]:
    """Return the values that a sweep goes through, by the override that they belong to.

    An interval that a search draws from is one value, as it was typed.

    Args:
        config: Configuration of the sweep; an axis of the command line replaces that of the file.
    """
    params = _plain(config.hydra.sweeper).get("params") or {}
    lines = [f"{key}={value}" for key, value in params.items()]
    loader = GlobalHydra.instance().config_loader()
    overrides = OverridesParser.create(loader).parse_overrides(
        [*lines, *_plain(config.hydra.overrides.task)]
    )
    last = {override.get_key_element(): override for override in overrides}
    return {
        key: _values(override) for key, override in last.items() if override.is_sweep_override()
    }


def _values(override: Override) -> list[str]:
    if override.is_interval_sweep():
        return [(override.input_line or "").partition("=")[2]]
    return list(override.sweep_string_iterator())


def jobs_at_a_time(launcher: DictConfig) -> int:
    """Return how many jobs a launcher runs side by side on this machine.

    Args:
        launcher: Settings of Hydra's launcher; only joblib's have `n_jobs`.

    Raises:
        InputError: If that is not a number of processes.
    """
    try:
        jobs = int(launcher.get("n_jobs", 1))
    except ValidationError as error:
        raise InputError(f"jobs is the number of runs at a time; {error.msg}.") from error
    if jobs == 0:
        raise InputError("jobs=0 runs nothing; give a number from 1 up, or -1 for all cores.")
    return jobs if jobs > 0 else max(1, cpu_count() + 1 + jobs)


def progress(records: Sequence[dict[str, Any]], total: int, jobs: int) -> str:
    """Return the progress of a sweep, and how long the rest will take.

    >>> progress([{"state": "trained", "seconds": 90}], 5, 2)
    '1 of 5 done, about 3 min left'
    """
    text = f"{len(records)} of {total} done"
    failed = sum(record["state"] == "failed" for record in records)
    if failed:
        text += f", {failed} failed"
    times = [record["seconds"] for record in records if record["state"] == "trained"]
    left = total - len(records)
    if times and left:
        rounds = math.ceil(left / jobs)
        text += f", about {_duration(rounds * sum(times) / len(times))} left"
    return text


def outcome_table(records: Sequence[dict[str, Any]]) -> Table:
    """Lay out what became of each job, a row for each."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("run")
    table.add_column("result")
    table.add_column("time", justify="right")
    table.add_column("")
    for record in records:
        state = record["state"]
        style = "bold red" if state == "failed" else ""
        time_taken = "" if state == "was complete" else _duration(record["seconds"])
        cells = (record["label"], record["result"], time_taken, state)
        table.add_row(
            *(Text(printable(cell)) for cell in cells), style=style
        )  # Text: no markup in a value
    return table


@contextmanager
def _failures_end_the_sweep() -> Iterator[None]:
    """Exit instead of raising, because Hydra turns an exception of a callback into a warning."""
    try:
        with user_errors():
            yield
    except Exception:  # noqa: BLE001 the traceback is shown, and no sweep goes on without a journal
        traceback.print_exc()
        sys.exit(1)


def _plain(node: Any) -> Any:
    """Return overrides as they were typed: what they refer to may exist in a job alone."""
    return OmegaConf.to_container(node, resolve=False)


def _line(record: dict[str, Any]) -> str:
    if record["state"] == "failed":
        return f"{record['label']}  failed: {record['cause']}"
    took = "was complete" if record["state"] != "trained" else _duration(record["seconds"])
    return f"{record['label']}  {record['result']}  ({took})"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def _read(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def _places(records: Sequence[dict[str, Any]]) -> str:
    """Name the folders to compare, so that they can be typed."""
    parents = sorted({str(_relative(str(Path(r["folder"]).parent))) for r in records})
    if len(parents) > _FEW:
        parents = [os.path.commonpath(parents)]
    return shlex.join(parents)


def _relative(folder: str) -> Path:
    path = Path(folder)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
