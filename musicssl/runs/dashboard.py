"""Runs in a Weights & Biases dashboard: `logger=wandb`.

Without an account or a network everything is recorded offline, in `wandb/` inside the folder of the
run, and `wandb sync` uploads it later. A key (WANDB_API_KEY, `wandb login`) makes runs live;
WANDB_MODE, WANDB_PROJECT and WANDB_ENTITY mean what they always do, but nobody is asked for a key.

A training run is one run there, however often it is interrupted: its id is in `wandb/id`. An epoch
is shown as its row in history.csv, at the step of its number. A run that continues first gets the
rows that it lacks. Online these are the ones behind the last that the server has. Offline wandb
cannot resume (0.31 writes a second file that starts at step 0 and knows nothing of the first), so
these are all of them, and the file of the interrupted part is removed.

A process killed outright leaves a file without an end, up to its last second. `wandb sync` takes
that for a failed run.

What probe.py finds of a run's checkpoint joins that run online. Offline that cannot be, so it is a
run of its own, of the job type "probe", in the group of the training run. So is the probe of what
was not trained here, or not in the dashboard.
"""

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

from musicssl.documents import write_atomically
from musicssl.runs.folder import RunFolder
from musicssl.runs.history import read_history
from musicssl.runs.probes.folder import ProbeFolder

_Mode = Literal["online", "offline", "shared", "disabled"]

log = logging.getLogger(__name__)

_SETTINGS: dict[str, Any] = {
    "console": "off",  # what is printed stays in the terminal
    "save_code": False,
    "x_disable_stats": True,  # no thread that samples the machine
    "allow_offline_artifacts": False,  # tables are in the run's folder, not in the home folder
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
        folder: Folder of the run.
        project: Project that the run is shown in.
        name: Name of the run, the path of its folder.
        seed: Seed of the run.
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
        self._group = _group(name, seed, sweep)
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
        with self._expendable(), run:  # it is closed after any error
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
        return _begin(
            self._folder.path,
            project=self._project,
            name=self._run_name,
            group=self._group,
            job_type=self._method,
            tags=[self._dataset, self._method],
            config=config,
        )

    def _log_epochs(self, run: wandb.Run) -> None:
        if not self._folder.history.is_file():
            return  # no epoch yet, or a method that has none
        for row in read_history(self._folder.history):
            epoch = int(row["epoch"])
            if epoch >= run.step:
                known = {name: value for name, value in row.items() if not math.isnan(value)}
                run.log({**known, "epoch": epoch}, step=epoch, commit=True)

    def _log_results(self, run: wandb.Run) -> None:
        document = self._folder.result()
        for part, prefix in (("macro", "test"), ("localisation", "test/localisation")):
            for name, value in (document[part] or {}).items():
                if value is not None:  # undefined
                    run.summary[f"{prefix}/{name}"] = value
        per_class = document["per_class"]
        rows = zip(document["classes"], *per_class.values(), strict=True)
        table = wandb.Table(columns=["class", *per_class], data=[list(row) for row in rows])
        run.log({"test/per_class": table, **_pictures(self._folder.figures, "figures")})


def log_probe(folder: Path, project: str) -> None:
    """Show a complete probe: its means, its fits and its pictures, with chance beside them.

    They join the run of the checkpoint that was probed, if the server has it; see above. A failure
    of wandb is a warning, as in training.

    Args:
        folder: Folder of the probe, see `musicssl.runs.probes.folder`.
        project: Project that a probe is shown in that has no training run.
    """
    files = ProbeFolder(folder)
    document = files.document()
    training = _training(document["source"])
    try:
        run = _joined(files, training) or _begin(
            folder, **_shown(files, document, training, project)
        )
        with run:
            _log_probe(run, document, files.figures)
    except (wandb.errors.Error, ConnectionError) as error:
        log.warning("Weights & Biases does not record the probe in %s: %s", folder, error)


def _training(source: Mapping[str, Any]) -> dict[str, str]:
    """Return how the training run of what was probed is shown; empty if it is not."""
    if source["run"] is None:
        return {}
    folder = RunFolder(Path(source["run"]))
    if not _id_file(folder.path).is_file():
        return {}
    logger = folder.settings()["logger"]
    if not isinstance(logger, Mapping):  # shown once, and then trained on without
        return {}
    return {
        "id": _id(folder.path),
        "project": logger["project"],
        "name": str(PurePosixPath(logger["name"])),
        "group": _group(logger["name"], logger["seed"], logger["sweep"]),
    }


def _joined(files: ProbeFolder, training: Mapping[str, str]) -> wandb.Run | None:
    """Go on with the training run; None where it is not online."""
    if not training or _mode() != "online":
        return None
    try:
        return wandb.init(
            id=training["id"],
            resume="must",  # no run that holds the probe alone under the name of the training
            mode="online",
            dir=files.path,
            project=training["project"],
            settings=wandb.Settings(**_SETTINGS),
        )
    except wandb.errors.Error as error:
        log.warning("The probe is a run of its own, for its training run is not online: %s", error)
    wandb.teardown()
    return None


def _shown(
    files: ProbeFolder, document: Mapping[str, Any], training: Mapping[str, str], project: str
) -> dict[str, Any]:
    """Return how a probe is shown as a separate run."""
    source, corpus, probe = (document[key] for key in ("source", "corpus", "probe"))
    settings = files.settings()
    return {
        "project": training.get("project", project),
        "name": f"{source['label']} on {corpus}, {probe} probe",
        "group": training.get("group", source["name"]),
        "job_type": "probe",
        "tags": ["probe", corpus, probe],
        "config": settings | {"training_run": training.get("name")},
    }


def _log_probe(run: wandb.Run, document: Mapping[str, Any], figures: Path) -> None:
    prefix = f"probe/{document['corpus']}/{document['probe']}"
    parts = {f"p{cell['p_s']}": cell["mean"] for cell in document["cells"]}
    for part, values in (parts | {"chance": document["chance"]}).items():
        for name, value in values.items():
            if value is not None:  # undefined
                run.summary[f"{prefix}/{part}/{name}"] = value
    fits = [_fit(fit) for fit in document["fits"]]
    table = wandb.Table(columns=list(fits[0]), data=[list(fit.values()) for fit in fits])
    run.log({f"{prefix}/fits": table, **_pictures(figures, f"{prefix}/figures")})


def _fit(fit: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out a fit as a row."""
    one = {key: fit[key] for key in ("p_s", "seed", "labelled", "val_loss")}
    return one | dict(fit["chosen"]) | dict(fit["macro"])


def _pictures(figures: Path, prefix: str) -> dict[str, wandb.Image]:
    return {
        f"{prefix}/{path.stem}": wandb.Image(str(path)) for path in sorted(figures.glob("*.png"))
    }


def _group(name: str, seed: int, sweep: str | None) -> str:
    """Return the group of a run: its sweep, or the runs that differ from it only in the seed."""
    return sweep or str(PurePosixPath(name)).removesuffix(f"_s{seed}")


def _begin(folder: Path, **shown: Any) -> wandb.Run:
    """Begin the run that a folder is, or go on with it.

    Args:
        folder: Folder of the run.
        **shown: Of `wandb.init`: what it is called, and where it is found.
    """
    mode = _mode()
    try:
        return _init(folder, mode, shown)
    except wandb.errors.Error as error:
        if mode != "online":
            raise
        log.warning("Weights & Biases refuses, recording offline: %s", error)
    wandb.teardown()  # otherwise the run that could not begin still holds the id
    return _init(folder, "offline", shown)


def _init(folder: Path, mode: _Mode, shown: Mapping[str, Any]) -> wandb.Run:
    run_id, own = _id(folder), _id_file(folder).parent
    if mode != "disabled":
        for part in own.glob("offline-run-*"):
            shutil.rmtree(part)  # all of it is in the folder, and is logged again
    if mode == "offline":
        log.info("Upload this run with: wandb sync %s", own)
    return wandb.init(
        id=run_id,
        resume="allow" if mode == "online" else None,
        mode=mode,
        dir=folder,
        settings=wandb.Settings(**_SETTINGS, silent=mode == "offline"),
        **shown,
    )


def _id_file(folder: Path) -> Path:
    return folder / "wandb" / "id"


def _id(folder: Path) -> str:
    file = _id_file(folder)
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, secrets.token_hex(6))  # unlike random, not seeded
    return file.read_text()


def _mode() -> _Mode:
    """Return the mode that was asked for; where nobody did, online if there is a key."""
    settings = wandb.setup().settings
    if settings.mode in ("offline", "dryrun"):
        return "offline"
    if settings.mode in ("disabled", "shared"):
        return settings.mode
    has_key = settings.api_key or settings.identity_token_file
    return "online" if has_key or read_netrc_auth(host=settings.base_url) else "offline"
