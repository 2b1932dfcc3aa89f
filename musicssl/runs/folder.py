"""The folder of one run: its settings, its state, its results.

config.yaml        the resolved configuration
data.json          hashes of the clips, labels, splits and features that the run was made from
checkpoints/       best.ckpt (lowest validation loss) and last.ckpt (to resume from), and while the
                   run trains previous.ckpt, the state of an epoch before
history.csv        losses and validation metrics of each epoch
metrics.json       the test result, and that of validation beside it; written last, so its presence
                   says the run is complete
metrics.csv        the same by class
predictions.npz    scores, log-odds, targets, mask, clip_ids and classes of the test split
baselines.json     test results of simple baselines and of chance on the same clips and labels
label_curve.csv    of methods that learn embeddings: test results of probes with fewer labels
clusters.csv       of methods that find clusters: the classes of the test clips in each
robustness.csv     test results under corruptions of the sound, with corruption=...
figures/
sounds/            of methods that make sound, and the clips of the timelines of synthband
probes/            results of probe.py for these checkpoints
log.txt            what a job of a parallel sweep printed
error.txt          the traceback of a defect that ended a job of a sweep
wandb/             with logger=wandb
"""

import fcntl
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from musicssl.cache import discard
from musicssl.documents import read_json, remove_parts, write_atomically, write_json
from musicssl.errors import InputError
from musicssl.runs.settings import differences, is_of_0_1, load_settings, settings_text


@dataclass(frozen=True)
class ResultFolder:
    """The common part of the folder of a run and the folder of a probe.

    Attributes:
        path: The folder.
    """

    results: ClassVar[str]

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    def settings(self) -> dict[str, Any]:
        """Read the configuration.

        Raises:
            InputError: If the file is missing or damaged.
        """
        try:
            return load_settings(self.config)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.config} is missing or damaged ({error}); set overwrite=true to begin anew."
            ) from error

    @property
    def metrics(self) -> Path:
        """The test result, whose `macro` has overall metrics by name; written last."""
        return self.path / self.results

    @property
    def robustness(self) -> Path:
        """The test result under each corruption and severity, if it was asked for."""
        return self.path / "robustness.csv"

    @property
    def figures(self) -> Path:
        """The folder of pictures."""
        return self.path / "figures"

    @property
    def sounds(self) -> Path:
        """The folder of sound that a method makes."""
        return self.path / "sounds"

    @property
    def is_complete(self) -> bool:
        """Whether there is a result."""
        return self.metrics.is_file()

    def result(self) -> dict[str, Any]:
        """Read the test result.

        Raises:
            InputError: If the file is damaged.
        """
        try:
            document = read_json(self.metrics)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.metrics} is damaged ({error}); delete it, and the same command writes it "
                "again."
            ) from error
        return document


class RunFolder(ResultFolder):
    """Paths in the folder of a run."""

    results = "metrics.json"

    @property
    def best(self) -> Path:
        """The checkpoint with the lowest validation loss."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The checkpoint before `last`, to resume from if that is damaged."""
        return previous_of(self.last)

    @property
    def history(self) -> Path:
        """Losses and validation metrics of each epoch."""
        return self.path / "history.csv"

    @property
    def data(self) -> Path:
        """Hashes of what the run was made from, by name; a run of version 0.1 has none."""
        return self.path / "data.json"

    @property
    def predictions(self) -> Path:
        """Scores, targets and names of the test clips."""
        return self.path / "predictions.npz"

    @property
    def baselines(self) -> Path:
        """The test results of simple baselines on the same clips and labels."""
        return self.path / "baselines.json"

    @property
    def label_curve(self) -> Path:
        """The test results of probes with fewer labels, of a method that learns embeddings."""
        return self.path / "label_curve.csv"

    @property
    def clusters(self) -> Path:
        """Which classes are in which cluster of test clips, of a method that finds some."""
        return self.path / "clusters.csv"

    @property
    def probes(self) -> Path:
        """The folder of probe.py's results for the checkpoints of this run."""
        return self.path / "probes"

    @property
    def embedding_map(self) -> str | None:
        """The layout of the map of embeddings that was drawn last, None for none."""
        layout: str | None = self.settings().get("embedding_map")
        return layout

    def note_embedding_map(self, layout: str | None) -> None:
        """Write down that the map was drawn anew; all other settings stay."""
        settings = self.settings() | {"embedding_map": layout}
        write_atomically(self.config, settings_text(settings))

    def check(self, settings: Mapping[str, Any]) -> None:
        """Make sure that the folder is free, or holds a run of these settings.

        Raises:
            InputError: If the folder holds a run with other settings or without any, or is free and
                version 0.1 left the run in a folder of another name.
        """
        if not self.config.exists():
            self._check_left_behind()
            self._check_former_name(settings)
            return
        changed = differences(self.settings(), settings)
        if changed:
            raise InputError(
                f"{self.path} holds a run with other settings ({', '.join(changed[:3])}); "
                "give this one a name of its own (name=...) or set overwrite=true."
            )

    def _check_left_behind(self) -> None:
        """Refuse results or checkpoints without a record of how they were made."""
        for file in (self.metrics, self.best, self.last):
            if file.exists():
                raise InputError(
                    f"{self.path} holds {file.name} but no config.yaml that says how it was made; "
                    "set overwrite=true to train again, or give this run a name of its own "
                    "(name=...)."
                )

    def check_data(self, data: Mapping[str, str]) -> None:
        """Make sure that the run in this folder was made from the same data.

        Args:
            data: Hashes by name; see `SemiSupervisedDataModule.identity`.

        Raises:
            InputError: If it was not, or the folder says so no more.
        """
        if not self.data.exists():
            return
        try:
            earlier = {name: str(value) for name, value in read_json(self.data).items()}
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.data} is damaged, so that nothing says which labels the run was made from; "
                "set overwrite=true to train it again, or give this one a name of its own "
                "(name=...)."
            ) from error
        check_same_data(self.path, earlier, data)

    def _check_former_name(self, settings: Mapping[str, Any]) -> None:
        """Look for the run under the name that version 0.1 gave it, by the words typed."""
        runs_of_this_name = Path(settings.get("runs", "runs")) / str(settings.get("name"))
        files = [*runs_of_this_name.glob("*/*/config.yaml")]
        files += runs_of_this_name.glob("*/*/*/config.yaml")
        for file in sorted(files):
            content = file.read_bytes()
            if b"\ndatamodule:" not in content:  # parsing all runs of a sweep would take minutes
                continue
            try:
                earlier = load_settings(file)
            except ValueError:  # a damaged folder cannot be continued under any name
                continue
            if is_of_0_1(earlier) and not differences(earlier, settings):
                raise InputError(
                    f"{file.parent} holds this run under the name that version 0.1 gave it; "
                    f"continue it by mv {shlex.quote(str(file.parent))} "
                    f"{shlex.quote(str(self.path))}, or set overwrite=true to train it again."
                )

    def claim(
        self,
        settings: Mapping[str, Any],
        overwrite: bool = False,
        data: Mapping[str, str] | None = None,
    ) -> None:
        """Take the folder for a run; what an interrupted run of these settings left stays.

        Args:
            settings: The resolved configuration.
            data: Hashes of what the run is made from, by name.
            overwrite: Remove what a run left here, and nothing else that the folder may hold.
        """
        if overwrite:
            self._clear()
        self.path.mkdir(parents=True, exist_ok=True)
        if data is not None:
            write_json(self.data, data)
        write_atomically(self.config, settings_text(settings))

    def release(self) -> None:
        """Give the folder up if no epoch of the run was trained: only its settings are there."""
        if not self.last.is_file() and not self.is_complete and not self.history.is_file():
            self.config.unlink(missing_ok=True)
            self.data.unlink(missing_ok=True)
            with suppress(OSError):  # something else is in them
                self.best.parent.rmdir()
            _remove_empty(self.path, self.path)

    def _clear(self) -> None:
        discard(self.metrics)  # first: interrupted now, the run is not complete
        scores = (self.path / "metrics.csv", self.predictions, self.baselines)
        tables = (self.history, self.label_curve, self.clusters, self.robustness, *scores)
        folders = (
            *(self.best.parent, self.figures, self.sounds, self.probes),
            self.path / "wandb",
        )
        for place in (*folders, self.config, self.data, *tables):
            discard(place)


def previous_of(last: Path) -> Path:
    """Return the path of the checkpoint that was written before the last one."""
    return last.with_name("previous.ckpt")


def check_same_data(place: Path, earlier: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Compare the data that a run was made from with the present data.

    Entries of only one side are not compared: a clip store may have been made since.

    Args:
        place: Place of the run, for the message.
        earlier: Hashes by name.
        now: The same.

    Raises:
        InputError: If they differ.
    """
    changed = [name for name, value in earlier.items() if now.get(name, value) != value]
    if "clips" in changed:
        changed = ["clips"]  # of others all else is another, too
    if changed:
        raise InputError(
            f"{place} holds a run that was made from other {' and '.join(changed)} than there are "
            "now; set overwrite=true to train it again, or give this one a name of its own "
            "(name=...)."
        )


@contextmanager
def claimed(folder: Path, wait: bool = False, top: Path | None = None) -> Iterator[None]:
    """Keep a folder for this process alone; the claim ends with the process at the latest.

    Unfinished files of a process that was killed are removed. A folder that is empty in the end is
    removed, so that a mistake leaves nothing behind.

    Args:
        folder: To be made if it is not there.
        wait: Until it is free, where another process has it.
        top: The last of the folders around it to be removed with it, if they are empty too.

    Raises:
        InputError: If another process has it.
    """
    handle = _lock(folder, wait)
    try:
        remove_parts(folder)
        yield
    finally:
        _remove_empty(folder, top or folder)  # before others may have it
        os.close(handle)


def _lock(folder: Path, wait: bool) -> int:
    """Return a handle of a folder that no other process has."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # removed by the process that had it
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            raise InputError(
                f"another process is at work in {folder}; wait for it, or give this run a name of "
                "its own (name=...)."
            ) from None
        if folder.is_dir() and os.path.samestat(os.fstat(handle), folder.stat()):
            return handle
        os.close(handle)


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder and its parents, up to one of them, while they are empty."""
    folder, top = folder.absolute(), top.absolute()
    for place in (folder, *folder.parents):
        try:
            place.rmdir()
        except OSError:  # not empty, or not ours
            return
        if place == top or top not in place.parents:
            return
