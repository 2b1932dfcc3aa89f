"""Results of probes: one kind of probe on one set of embeddings of one corpus."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.cache import file_identity, null_to_nan
from musicssl.report.read.evaluation_set import EvaluationSet
from musicssl.report.read.files import (
    check_folders,
    explained_damage,
    folders_with,
    is_probe_config,
    load_config,
)
from musicssl.report.read.settings import relevant_settings
from musicssl.runs.folder import RunFolder
from musicssl.runs.probes.folder import ProbeFolder
from musicssl.runs.probes.settings import embeddings_file

_SAME = 0.01  # of the metric: what another device, or another size of batches, may change
_OF_THE_CORPUS = ("dataset.", "probe.", "data.stratified", "data.val_fraction", "data.split_seed")
_NOT_OF_THE_CORPUS = ("dataset.features.", "dataset.root")  # the encoder's choice; where it lies


@dataclass(frozen=True)
class ProbeCell:
    """The probes of one fraction of the labels, over draws of the labelled clips.

    Attributes:
        labelled: Clips that a probe learns from.
        mean: Metrics by name, NaN where undefined.
        interval: Their 95 % intervals over the draw of test clips; NaN where undefined.
    """

    labelled: int
    mean: Mapping[str, float]
    interval: Mapping[str, tuple[float, float]]


class Fit(NamedTuple):
    """One probe.

    Attributes:
        p_s: Fraction of labels.
        draw: Seed of the draw of labelled clips.
        value: The usual metric of the corpus; NaN where undefined.
    """

    p_s: float
    draw: int
    value: float


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """All probes of one kind on one set of embeddings.

    Attributes:
        folder: As it was found.
        name: Of the training run, the encoder or the file.
        kind: What made the embeddings; see `musicssl.runs.probes.source.Origin`.
        seed: Of its training; None where there is no such thing.
        settings: What else tells it from others, by path: those of its training among them.
        corpus: That was probed.
        probe: The word typed after `probe=`.
        metric: By which the corpus is usually judged.
        chance: Metrics of the best constant answer.
        fits: In the order of the scores, (K).
        cells: By fraction of the labels, ascending.
        test_set: The test clips, with all settings that must agree to compare results.
        groups: What clips belong together, (N,); None if each stands for itself.
        credit: What answers are worth, (C, C), see `musicssl.data.corpus.Corpus`; None if only
            right ones are.
    """

    folder: Path
    name: str
    kind: str
    seed: int | None
    settings: Mapping[str, str]
    corpus: str
    probe: str
    metric: str
    chance: Mapping[str, float]
    fits: tuple[Fit, ...]
    cells: Mapping[float, ProbeCell]
    test_set: EvaluationSet
    groups: NDArray[Any] | None
    credit: NDArray[np.float32] | None

    @property
    def num_units(self) -> int:
        """Number of what is drawn for an interval over test clips: clips, or groups of them."""
        return len(self.test_set.clip_ids if self.groups is None else np.unique(self.groups))

    def rows(self, p_s: float) -> list[int]:
        """List the indices of the fits with a fraction of labels."""
        return [index for index, fit in enumerate(self.fits) if fit.p_s == p_s]

    def contradicts(self, other: "ProbeResult") -> bool:
        """Whether two fits of the same draw differ so much that they are of different models."""
        values = {(fit.p_s, fit.draw): fit.value for fit in other.fits}
        return any(
            abs(fit.value - values.get((fit.p_s, fit.draw), fit.value)) > _SAME for fit in self.fits
        )

    def scores(self) -> NDArray[np.floating]:
        """Read the scores of all fits, (K, N, C); too large to keep those of many results.

        Raises:
            InputError: If the file has changed since.
        """
        file = ProbeFolder(self.folder).predictions
        with _readable(file), _arrays(file) as arrays:
            scores: NDArray[np.floating] = arrays["scores"]
        return scores


def read_probes(folders: Sequence[Path]) -> tuple[list[ProbeResult], list[Path], list[Path]]:
    """Read all complete results of probe.py under some folders, each once.

    Returns:
        The results, the folders of those that are not finished, and the folders of those whose run
        has another checkpoint by now.

    Raises:
        InputError: If there is no such folder, or a file is damaged.
    """
    check_folders(folders)
    results: list[ProbeResult] = []
    outdated: list[Path] = []
    digest = cache(file_identity)  # a checkpoint may have been probed many times
    for folder in folders_with(folders, "probe.json"):
        if _is_outdated(folder, digest):
            outdated.append(folder)
            continue
        result = read_probe(folder)
        equal = (one.test_set for one in results if not one.test_set.difference(result.test_set))
        test_set = next(equal, result.test_set)  # one copy is enough
        results.append(replace(result, test_set=test_set))
    unfinished = [
        folder
        for folder in folders_with(folders, "config.yaml")
        if not ProbeFolder(folder).is_complete
        and is_probe_config(ProbeFolder(folder).config.read_text())
    ]
    return results, unfinished, outdated


def _is_outdated(folder: Path, digest: Callable[[Path], str]) -> bool:
    """Whether a probe in the folder of a run is of a checkpoint that the run no longer has.

    Results without a hash, as of older versions, and of runs without their checkpoints are trusted.
    """
    run = _run_around(folder)
    if run is None:
        return False
    files = ProbeFolder(folder)
    with _readable(files.metrics):
        probed = files.document()["source"].get("checkpoint")
    if probed is None:
        return False
    checkpoint = run.best.with_name(Path(_read_config(files.config)["checkpoint"]).name)
    return checkpoint.is_file() and digest(checkpoint) != probed


def _run_around(folder: Path) -> RunFolder | None:
    """Return the run whose folder contains a probe, if any, also if both were moved."""
    for parent in folder.absolute().parents:
        run = RunFolder(parent.parent)
        if parent == run.probes and run.config.is_file():
            return run
    return None


def read_probe(folder: Path) -> ProbeResult:
    """Read one complete result of probe.py.

    Raises:
        InputError: If a file of it is missing, damaged or at odds with another.
    """
    files = ProbeFolder(folder)
    config = _read_config(files.config)
    with _readable(files.metrics):
        document = files.document()
        cells = {float(cell["p_s"]): _cell(cell) for cell in document["cells"]}
        source, metric = document["source"], str(document["metric"])
        fits = tuple(_fit(fit, metric) for fit in document["fits"])
        if not cells or set(cells) != {fit.p_s for fit in fits}:
            raise ValueError("its fits and its cells are of different fractions of labels")
        chance = null_to_nan(document["chance"])
        settings = _settings(folder, document, config)
        conditions = {
            key: value for key, value in relevant_settings(config).items() if _is_of_corpus(key)
        }
        conditions |= {
            f"clips.{split}": str(document["clips"][split]) for split in ("train", "val")
        }
        conditions |= {"corpus": str(document["corpus"]), "probe": str(document["probe"])}
    test_set, groups, credit = _read_test_set(folder, conditions, len(fits))
    return ProbeResult(
        folder=folder,
        name=str(source["name"]),
        kind=str(source["kind"]),
        seed=source["seed"],
        settings=settings,
        corpus=conditions["corpus"],
        probe=conditions["probe"],
        metric=metric,
        chance=chance,
        fits=fits,
        cells=dict(sorted(cells.items())),
        test_set=test_set,
        groups=groups,
        credit=credit,
    )


def _is_of_corpus(key: str) -> bool:
    return key.startswith(_OF_THE_CORPUS) and not key.startswith(_NOT_OF_THE_CORPUS)


def _settings(
    folder: Path, document: Mapping[str, Any], config: Mapping[str, Any]
) -> dict[str, str]:
    """Return the settings that tell a model from others of its name, except for its seed.

    The probes of a run are in the run's folder, so the settings of the training are found there,
    also if the folder was moved.
    """
    source = document["source"]
    facts = {key: source[key] for key in ("kind", "p_s", "b_s", "trained_on")}
    facts |= {"embed_dim": document["embed_dim"], "file": _file(source, config)}
    if source["kind"] == "untrained":  # nothing but its encoder; null if it is a checkpoint's
        facts |= {"encoder": config["encoder"]}
    settings = relevant_settings(facts)
    run = _run_around(folder) if source["kind"] == "checkpoint" else None
    return settings if run is None else relevant_settings(_read_config(run.config)) | settings


def _file(source: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """Return the file of a model: its name, or its whole path if no run is known for it."""
    if source["kind"] == "embeddings":
        return str(embeddings_file(config["embeddings"]))
    if source["kind"] != "checkpoint":
        return None
    path = str(config["checkpoint"])
    return path if source["run"] is None else Path(path).name


def _fit(fit: Mapping[str, Any], metric: str) -> Fit:
    value = null_to_nan(fit["macro"])[metric]
    return Fit(float(fit["p_s"]), int(fit["seed"]), value)


def _cell(cell: Mapping[str, Any]) -> ProbeCell:
    intervals = {name: (low, high) for name, (low, high) in null_to_nan(cell["interval"]).items()}
    return ProbeCell(int(cell["labelled"]), null_to_nan(cell["mean"]), intervals)


def _read_config(file: Path) -> dict[str, Any]:
    with _readable(file):
        config = load_config(file)
        _ = config["data"]["p_s"]
    return config


def _read_test_set(
    folder: Path, conditions: Mapping[str, str], num_fits: int
) -> tuple[EvaluationSet, NDArray[Any] | None, NDArray[np.float32] | None]:
    file = ProbeFolder(folder).predictions
    with _readable(file), _arrays(file) as arrays:
        classes, clip_ids = tuple(arrays["classes"].tolist()), arrays["clip_ids"]
        targets, mask = arrays["targets"], arrays["mask"]
        shape = (len(clip_ids), len(classes))
        if not targets.shape == mask.shape == shape or arrays["scores"].shape != (num_fits, *shape):
            raise ValueError("its arrays have different sizes, or not as many scores as fits")
        test_set = EvaluationSet(conditions, classes, clip_ids, targets, mask, str(arrays["task"]))
        groups, credit = (arrays.get(key) for key in ("groups", "credit"))
        return test_set, groups, credit


@contextmanager
def _arrays(file: Path) -> Iterator[Any]:
    with file.open("rb") as opened, np.load(opened) as arrays:
        yield arrays


def _readable(file: Path) -> AbstractContextManager[None]:
    return explained_damage(file, result="probe.json", command="probe.py")
