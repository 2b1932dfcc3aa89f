"""Runs in a Weights & Biases dashboard: `logger=wandb`.

Without an account or a network everything is recorded offline, in `wandb/` inside the folder of the
run, and `wandb sync` uploads it later. A key (WANDB_API_KEY, `wandb login`) makes runs live;
WANDB_MODE, WANDB_PROJECT and WANDB_ENTITY mean what they always do, but nobody is asked for a key.

A training run is one run there, however often it is interrupted: its id lies in `wandb/id`. What is
shown of an epoch is its row in history.csv, at the step of its number, and a run that goes on is
first given the rows that it lacks. Online these are the ones behind the last that the server has.
Offline wandb cannot resume (0.31 writes a second file that starts at step 0 and knows nothing of
the first), so these are all of them, and the file of the interrupted part is removed.

A process killed outright leaves a file without an end, up to its last second. `wandb sync` takes
that for a failed run.
"""

import json
import logging
import math
import secrets
import shutil
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import wandb
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only
from wandb.sdk.lib.wbauth import read_netrc_auth

from musicssl.history import read_history
from musicssl.run_folder import RunFolder, write_atomically

_Mode = Literal["online", "offline", "shared", "disabled"]

log = logging.getLogger(__name__)

_SETTINGS: dict[str, Any] = {
    "console": "off",  # what is printed stays in the terminal
    "save_code": False,
    "x_disable_stats": True,  # no thread that samples the machine
    "allow_offline_artifacts": False,  # tables lie in the run's folder, not in the home folder
    "max_end_of_run_history_metrics": 0,  # the run prints a table of its own
    "max_end_of_run_summary_metrics": 0,
    "x_transaction_log_flush_interval": 1.0,  # seconds; a kill costs no more than that
    "init_timeout": 20.0,  # seconds, then offline: a sweep must not wait for a network
    "finish_timeout": 600.0,  # seconds; what is not uploaded then can still be synced
    "reinit": "create_new",  # the jobs of a sweep share a process, but never a run
}


class Dashboard(Logger):
    """Show one run: its settings, every epoch, and in the end tables and pictures of the test.

    The run begins with `log_hyperparams` and is closed by `finalize`. Nothing happens at a
    training step.

    Args:
        folder: Of the run.
        project: That the run is shown in.
        name: Of the run, the path of its folder.
        seed: Of the run.
        sweep: The word typed after `sweep=`, the group of all its runs; without one, runs that
            differ only in the seed form a group.
        method: The word typed after `method=`; the job type, and a tag.
        dataset: The word typed after `dataset=`; a tag.
    """

    def __init__(
        self,
        folder: str,
        project: str,
        name: str,
        seed: int,
        sweep: str | None,
        method: str,
        dataset: str,
    ) -> None:
        super().__init__()
        self._folder = RunFolder(Path(folder))
        self._project = project
        self._run_name = str(PurePosixPath(name))  # an empty part of the path is no part
        self._group = sweep or self._run_name.removesuffix(f"_s{seed}")
        self._method, self._dataset = method, dataset
        self._run: wandb.Run | None = None

    @property
    def name(self) -> str:
        """The project."""
        return self._project

    @property
    def version(self) -> str:
        """The name of the run."""
        return self._run_name

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Begin the run with its resolved configuration, or go on with an interrupted one."""
        config = vars(params) if isinstance(params, Namespace) else params
        with self._expendable():
            self._run = self._begin(config)
            self._run.define_metric("*", step_metric="epoch", step_sync=False)
            self._log_epochs(self._run)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add the epochs that have ended; `metrics` are part of their rows."""
        if self._run is not None:
            with self._expendable():
                self._log_epochs(self._run)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Close the run, with exit code 0 if it is complete and 1 if it failed.

        Lightning reports "success" after training. Then the test is still to come, and the run
        stays open for it.
        """
        run = self._run
        if run is None or (status == "success" and not self._folder.is_complete):
            return
        self._run = None
        with self._expendable(), run:  # whatever happens within, it is closed
            self._log_epochs(run)
            if status == "success":
                self._log_results(run)
            else:
                run.finish(exit_code=1)

    @contextmanager
    def _expendable(self) -> Iterator[None]:
        """Warn of a failure of wandb and go on without: it must not cost anybody a training."""
        try:
            yield
        except (wandb.errors.Error, ConnectionError) as error:
            self._run = None
            log.warning("Weights & Biases has stopped recording this run: %s", error)

    def _begin(self, config: dict[str, Any]) -> wandb.Run:
        mode = _mode()
        try:
            return self._init(config, mode)
        except wandb.errors.Error as error:
            if mode != "online":
                raise
            log.warning("Weights & Biases refuses, recording offline: %s", error)
        wandb.teardown()  # otherwise the run that could not begin still holds the id
        return self._init(config, "offline")

    def _init(self, config: dict[str, Any], mode: _Mode) -> wandb.Run:
        run_id = self._id()
        if mode != "disabled":
            for part in self._id_file.parent.glob("offline-run-*"):
                shutil.rmtree(part)  # all of it is in history.csv, and logged again
        if mode == "offline":
            log.info("Upload this run with: wandb sync %s", self._id_file.parent)
        return wandb.init(
            id=run_id,
            resume="allow" if mode == "online" else None,
            mode=mode,
            dir=self._folder.path,
            project=self._project,
            name=self._run_name,
            group=self._group,
            job_type=self._method,
            tags=[self._dataset, self._method],
            config=config,
            settings=wandb.Settings(**_SETTINGS, silent=mode == "offline"),
        )

    @property
    def _id_file(self) -> Path:
        return self._folder.path / "wandb" / "id"

    def _id(self) -> str:
        if not self._id_file.is_file():
            self._id_file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._id_file, secrets.token_hex(6))  # unlike random, not seeded
        return self._id_file.read_text()

    def _log_epochs(self, run: wandb.Run) -> None:
        if not self._folder.history.is_file():
            return  # no epoch yet, or a method that has none
        for row in read_history(self._folder.history):
            epoch = int(row["epoch"])
            if epoch >= run.step:
                known = {name: value for name, value in row.items() if not math.isnan(value)}
                run.log({**known, "epoch": epoch}, step=epoch, commit=True)

    def _log_results(self, run: wandb.Run) -> None:
        document = json.loads(self._folder.metrics.read_text())
        for part, prefix in (("macro", "test"), ("localisation", "test/localisation")):
            for name, value in (document[part] or {}).items():
                if value is not None:  # undefined
                    run.summary[f"{prefix}/{name}"] = value
        per_class = document["per_class"]
        rows = zip(document["classes"], *per_class.values(), strict=True)
        table = wandb.Table(columns=["class", *per_class], data=[list(row) for row in rows])
        pictures = {
            f"figures/{path.stem}": wandb.Image(str(path))
            for path in sorted(self._folder.figures.glob("*.png"))
        }
        run.log({"test/per_class": table, **pictures})


def _mode() -> _Mode:
    """Return the mode that was asked for; where nobody did, online if there is a key."""
    settings = wandb.setup().settings
    if settings.mode in ("offline", "dryrun"):
        return "offline"
    if settings.mode in ("disabled", "shared"):
        return settings.mode
    has_key = settings.api_key or settings.identity_token_file
    return "online" if has_key or read_netrc_auth(host=settings.base_url) else "offline"
