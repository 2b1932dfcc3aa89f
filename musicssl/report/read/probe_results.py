"""Results of probes: one kind of probe on one set of embeddings of one corpus."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.cache import file_identity
from musicssl.errors import InputError, printable
from musicssl.report.read.evaluation_set import EvaluationSet
from musicssl.report.read.files import (
    check_folders,
    evaluation_set,
    explained_damage,
    folders_with,
    is_probe_config,
    load_arrays,
    numbers,
    printable_settings,
    read_json,
    text_of_config,
)
from musicssl.runs.folder import RunFolder
from musicssl.runs.probes.folder import ProbeFolder, embeddings_files
from musicssl.runs.settings import load_settings

_SAME = 0.01  # of the metric: what another device, or another size of batches, may change
_OF_THE_CORPUS = (
    *("dataset.", "probe.", "data.stratified"),
    *("data.val_fraction", "data.split_seed", "data.val_list"),
)
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
        name: Name of the training run, the encoder or the file.
        kind: What made the embeddings; see `musicssl.runs.probes.source.Origin`.
        seed: Seed of its training; None where there is no such thing.
        settings: What else tells it from others, by path: those of its training among them.
        corpus: Corpus that was probed.
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
        with _readable(file):
            scores: NDArray[np.floating] = load_arrays(file)["scores"]
            if scores.shape != (len(self.fits), *self.test_set.targets.shape):
                raise ValueError("its scores are not those of the fits any more")
        return scores


@dataclass(frozen=True, eq=False)
class FoundProbes:
    """The results of probe.py under some folders.

    Attributes:
        results: Those that are complete and sound.
        left_out: A sentence for each that is damaged.
        unfinished: Folders of probes that are not finished.
        outdated: Folders of probes whose run has another checkpoint by now.
    """

    results: Sequence[ProbeResult]
    left_out: Sequence[str]
    unfinished: Sequence[Path]
    outdated: Sequence[Path]


def read_probes(folders: Sequence[Path]) -> FoundProbes:
    """Read all complete results of probe.py under some folders, each once.

    Raises:
        InputError: If one of the folders does not exist.
    """
    check_folders(folders)
    results: list[ProbeResult] = []
    left_out: list[str] = []
    outdated: list[Path] = []
    digest = cache(file_identity)  # a checkpoint may have been probed many times
    for folder in folders_with(folders, "probe.json"):
        try:
            if _is_outdated(folder, digest):
                outdated.append(folder)
                continue
            result = read_probe(folder)
        except InputError as error:
            left_out.append(f"Left out: {error}")
            continue
        equal = (one.test_set for one in results if not one.test_set.difference(result.test_set))
        test_set = next(equal, result.test_set)  # one copy is enough
        results.append(replace(result, test_set=test_set))
    unfinished = [
        folder
        for folder in folders_with(folders, "config.yaml")
        if not ProbeFolder(folder).is_complete
        and is_probe_config(text_of_config(ProbeFolder(folder).config))
    ]
    return FoundProbes(results, left_out, unfinished, outdated)


def _is_outdated(folder: Path, digest: Callable[[Path], str]) -> bool:
    """Whether a probe in the folder of a run is of a checkpoint that the run no longer has.

    Results without a hash, as of older versions, and of runs without their checkpoints are trusted.
    """
    run = _run_around(folder)
    if run is None:
        return False
    files = ProbeFolder(folder)
    with _readable(files.metrics):
        probed = read_json(files.metrics)["source"].get("checkpoint")
    if probed is None:
        return False
    config = _read_config(files.config)
    with _readable(files.config):
        checkpoint = run.best.with_name(Path(config["checkpoint"]).name)
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
        document = read_json(files.metrics)
        cells = {float(cell["p_s"]): _cell(cell) for cell in document["cells"]}
        source, metric = document["source"], str(document["metric"])
        fits = tuple(_fit(fit, metric) for fit in document["fits"])
        if not cells or set(cells) != {fit.p_s for fit in fits}:
            raise ValueError("its fits and its cells are of different fractions of labels")
        chance = numbers(document["chance"])
        names = set.intersection(*(set(cell.mean) for cell in cells.values()))
        if metric not in names:
            raise ValueError(f"it has no {metric}, which sums up its corpus")
        settings = _settings(folder, document, config)
        conditions = _conditions(document, config)
        name, kind = printable(str(source["name"])), printable(str(source["kind"]))
        seed = None if source["seed"] is None else int(source["seed"])
    test_set, groups, credit = _read_test_set(folder, conditions, len(fits))
    return ProbeResult(
        folder=folder,
        name=name,
        kind=kind,
        seed=seed,
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


def _conditions(document: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    """Return all that results must have in common to be compared."""
    of_corpus = {
        key: value for key, value in printable_settings(config).items() if _is_of_corpus(key)
    }
    clips = {f"clips.{split}": str(document["clips"][split]) for split in ("train", "val")}
    return {
        **of_corpus,
        **clips,
        "corpus": printable(str(document["corpus"])),
        "probe": printable(str(document["probe"])),
        "metric": str(document["metric"]),
    }


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
    facts |= {"summary": config.get("summary", "mean")}  # not in probes of earlier versions
    if source["kind"] in (
        "untrained",
        "pretrained",
    ):  # nothing but its encoder; null if it is a checkpoint's
        facts |= {"encoder": config["encoder"]}
    settings = printable_settings(facts)
    run = _run_around(folder) if source["kind"] == "checkpoint" else None
    return settings if run is None else printable_settings(_read_config(run.config)) | settings


def _file(source: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """Return the file of a model: its name, or its whole path if no run is known for it."""
    if source["kind"] == "embeddings":
        return " + ".join(map(str, embeddings_files(config["embeddings"])))
    if source["kind"] != "checkpoint":
        return None
    path = str(config["checkpoint"])
    return path if source["run"] is None else Path(path).name


def _fit(fit: Mapping[str, Any], metric: str) -> Fit:
    value = numbers(fit["macro"])[metric]
    return Fit(float(fit["p_s"]), int(fit["seed"]), value)


def _cell(cell: Mapping[str, Any]) -> ProbeCell:
    intervals = {
        printable(name): (_number(low), _number(high))
        for name, (low, high) in cell["interval"].items()
    }
    mean = numbers(cell["mean"])
    if not set(intervals) <= set(mean):
        raise ValueError("it has intervals of metrics without a mean")
    labelled = int(cell["labelled"])
    if labelled < 1:
        raise ValueError(f"it counts {labelled} labelled clips")
    return ProbeCell(labelled, mean, intervals)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _read_config(file: Path) -> dict[str, Any]:
    with _readable(file):
        config = load_settings(file)
        _ = config["data"]["p_s"]
    return config


def _read_test_set(
    folder: Path, conditions: Mapping[str, str], num_fits: int
) -> tuple[EvaluationSet, NDArray[Any] | None, NDArray[np.float32] | None]:
    file = ProbeFolder(folder).predictions
    with _readable(file):
        arrays = load_arrays(file)
        test_set = evaluation_set(arrays, conditions)
        num_clips, num_classes = test_set.targets.shape
        if arrays["scores"].shape != (num_fits, num_clips, num_classes):
            raise ValueError("it has not as many scores as fits, clips and classes")
        groups, credit = (arrays.get(key) for key in ("groups", "credit"))
        if groups is not None and (groups.shape != (num_clips,) or groups.dtype.kind not in "iuU"):
            raise ValueError("its groups are not those of its clips")
        if credit is not None and (
            credit.shape != (num_classes, num_classes) or credit.dtype.kind != "f"
        ):
            raise ValueError("its credit is not that of its classes")
        return test_set, groups, credit


def _readable(file: Path) -> AbstractContextManager[None]:
    return explained_damage(file, result="probe.json", command="probe.py")
