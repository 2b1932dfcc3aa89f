"""Which folders hold results, and their files, checked as they are read."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from musicssl.data.checks import learnable
from musicssl.documents import null_to_nan, without_checksum
from musicssl.errors import InputError, printable
from musicssl.evaluation.tasks import task_named
from musicssl.limits import DAMAGE, check_arrays
from musicssl.report.read.evaluation_set import EvaluationSet
from musicssl.report.read.settings import relevant_settings
from musicssl.runs.settings import load_settings

_EMBEDDINGS = "musicssl.datasets.embeddings.EmbeddingsFile"
_OF_EMBEDDINGS = ("path", "layer", "with_features")  # settings that choose features, not clips
_LARGEST_JSON = 1 << 28  # bytes
_LARGEST_ARRAYS = 1 << 33  # bytes, unpacked
_LONGEST_CAUSE = 200  # characters

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class TrainingConfig:
    """What a report takes from the configuration of a run.

    Attributes:
        name: The setting `name`.
        seed: The setting `seed`.
        p_s: Fraction of the labelled training clips that kept their labels.
        settings: All other settings with a bearing on results, by path.
    """

    name: str
    seed: int
    p_s: float
    settings: Mapping[str, str]


def check_folders(folders: Sequence[Path]) -> None:
    """Make sure that all folders exist.

    Raises:
        InputError: If one does not.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}; name folders that hold runs.")


def folders_with(folders: Sequence[Path], name: str) -> list[Path]:
    """List the folders, at any depth, that hold a file of some name.

    Each is listed once, also where the given folders overlap.
    """
    files = {
        file.resolve(): file
        for folder in folders
        for file in sorted(folder.rglob(name))
        if file.is_file()
    }
    return [file.parent for file in files.values()]


def text_of_config(file: Path) -> str:
    """Read a config.yaml to see whose it is; bytes that are no text become replacement signs."""
    with explained_damage(file), file.open("rb") as opened:
        return opened.read(_LARGEST_JSON).decode(errors="replace")


def is_training_config(text: str) -> bool:
    """Whether the text of a config.yaml is that of a training run.

    Other programs have files of that name.
    """
    return "\n  p_s:" in text and not is_probe_config(text)


def is_probe_config(text: str) -> bool:
    """Whether the text of a config.yaml is that of a probe."""
    return "\n  p_s:" in text and re.search(r"^probe:", text, re.MULTILINE) is not None


def read_config(file: Path) -> TrainingConfig:
    """Read the resolved configuration of a training run.

    Raises:
        InputError: If the file is missing, damaged or another program's.
    """
    with explained_damage(file):
        config = load_settings(file)
        _ = config["dataset"], config["method"]
        p_s = float(config["data"]["p_s"])
        if not 0 <= p_s <= 1:
            raise ValueError(f"data.p_s is {p_s}")
        name, seed = printable(str(config["name"])), int(config["seed"])
        return TrainingConfig(name, seed, p_s, printable_settings(config))


def printable_settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Return `relevant_settings` without characters that control a terminal."""
    return {printable(key): printable(text) for key, text in relevant_settings(config).items()}


def read_json(file: Path) -> dict[str, Any]:
    """Load a JSON file that holds an object.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is not such a file.
    """
    with file.open("rb") as opened:
        content = opened.read(_LARGEST_JSON + 1)
    if len(content) > _LARGEST_JSON:
        raise ValueError(f"more than {_LARGEST_JSON:,} bytes")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("no JSON object")
    return without_checksum(document)


def read_metrics(file: Path) -> dict[str, Any]:
    """Read a test result: `macro`, `localisation` (may be empty), `labels` and `best_epoch`.

    `validation` has the metrics of the validation clips, (C) by name. It is None if the run was
    made by a version that did not write them.

    Raises:
        InputError: If the file is missing, damaged or another program's.
    """
    with explained_damage(file):
        document = read_json(file)
        best_epoch, labelled = document["best_epoch"], int(document["labels"]["labelled"])
        if labelled < 0:
            raise ValueError(f"it counts {labelled} labelled clips")
        return {
            "macro": numbers(document["macro"]),
            "localisation": numbers(document["localisation"] or {}),
            "labels": {"labelled": labelled},
            "best_epoch": None if best_epoch is None else int(best_epoch),
            "validation": _validation(document),
        }


def numbers(node: Mapping[str, Any]) -> dict[str, float]:
    """Return numbers by name, with NaN for null.

    Raises:
        AttributeError, TypeError or ValueError: If they are anything else.
    """
    return {
        printable(name): math.nan if value is None else float(value) for name, value in node.items()
    }


def _validation(document: Mapping[str, Any]) -> dict[str, NDArray[np.float64]] | None:
    if "validation" not in document:
        return None
    by_class = {
        printable(name): np.array(null_to_nan(values), np.float64)
        for name, values in document["validation"]["per_class"].items()
    }
    if any(column.shape != (len(document["classes"]),) for column in by_class.values()):
        raise ValueError("its validation metrics are not those of its classes")
    return by_class


def read_predictions(
    file: Path, settings: Mapping[str, str]
) -> tuple[NDArray[np.floating], NDArray[np.floating], EvaluationSet]:
    """Read the scores of the test clips, what they are ranked by, (N, C) each, and their targets.

    Files of earlier versions, and of methods without a network, have no log-odds: then clips are
    ranked by the scores.

    Args:
        file: As `musicssl.evaluation.predictions.Predictions` writes it.
        settings: Settings of the run, by path. Those of the corpus are kept with the targets; see
            `corpus_settings`.

    Raises:
        InputError: If the file is missing or damaged, or neither AUROC nor R² is defined on it.
    """
    with explained_damage(file):
        arrays = load_arrays(file)
        scores, test_set = arrays["scores"], evaluation_set(arrays, corpus_settings(settings))
        log_odds = arrays.get("log_odds", scores)
        if not scores.shape == log_odds.shape == test_set.targets.shape:
            raise ValueError("its arrays have different sizes")
    if not learnable(test_set.targets, test_set.mask, test_set.task).any():
        missing = "no class has both values" if test_set.has_classes else "no target varies"
        raise InputError(f"{file}: {missing} among the test clips; test on more.")
    return scores, log_odds, test_set


def corpus_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of the corpus of a run, without those of its features.

    Features are a choice of the method, as its encoder is. So are files of embeddings: a run on
    them compares with any other run on the clips of their corpus.

    >>> corpus_settings({"dataset._target_": "a.Irmas", "dataset.features.hop": "1", "seed": "0"})
    {'dataset._target_': 'a.Irmas'}
    """
    corpus = _below("dataset", settings)
    if corpus.get("_target_") == _EMBEDDINGS:
        corpus = _below("labels", corpus) or {
            key: value for key, value in corpus.items() if key not in _OF_EMBEDDINGS
        }
    return {
        f"dataset.{key}": value for key, value in corpus.items() if not key.startswith("features.")
    }


def _below(section: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a section, by their paths in it."""
    prefix = f"{section}."
    return {
        key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)
    }


def load_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Load the arrays of a predictions.npz, and check their kinds.

    Raises:
        ValueError or another error that `explained_damage` explains: If it is not such a file.
    """
    check_arrays(file)
    with file.open("rb") as opened, ZipFile(opened) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > _LARGEST_ARRAYS:
        raise ValueError(f"its arrays have more than {_LARGEST_ARRAYS:,} bytes")
    with file.open("rb") as opened, np.load(opened) as loaded:
        arrays = dict(loaded)
    kinds = {"scores": "f", "targets": "f", "mask": "b", "classes": "U", "clip_ids": "U"}
    if "log_odds" in arrays:
        kinds["log_odds"] = "f"
    for name, kind in kinds.items():
        if arrays[name].dtype.kind != kind:
            raise ValueError(f"its {name} are of the type {arrays[name].dtype}")
    for name in ("classes", "clip_ids"):
        if arrays[name].ndim != 1:
            raise ValueError(f"its {name} are no list but have the shape {arrays[name].shape}")
    if not np.isfinite(arrays["scores"]).all():
        raise ValueError("its scores are not finite")
    if "log_odds" in arrays and np.isnan(arrays["log_odds"]).any():
        raise ValueError("its log-odds are not numbers")
    return arrays


def evaluation_set(arrays: Arrays, corpus: Mapping[str, str]) -> EvaluationSet:
    """Take the test clips and their targets from the arrays of a predictions.npz.

    Raises:
        ValueError: If they do not belong together.
    """
    targets, mask, clip_ids = arrays["targets"], arrays["mask"], arrays["clip_ids"]
    classes = tuple(map(printable, arrays["classes"].tolist()))
    task = str(arrays["task"]) if "task" in arrays else "multi_label"  # as of version 0.1.0
    task_named(task)
    if not targets.shape == mask.shape == (len(clip_ids), len(classes)):
        raise ValueError("its arrays have different sizes")
    if not np.isfinite(targets[mask]).all():
        raise ValueError("its observed targets are not finite")
    return EvaluationSet(corpus, classes, clip_ids, targets, mask, task)


@contextmanager
def explained_damage(
    file: Path, result: str = "metrics.json", command: str = "the training command"
) -> Iterator[None]:
    """Explain errors of reading a file that is missing or damaged, and how to mend it.

    Args:
        file: File that is read.
        result: The file beside it; if that is deleted, the command starts anew.
        command: The command that writes both.

    Raises:
        InputError: If reading raises an error that a missing or damaged file causes.
    """
    try:
        yield
    except DAMAGE as error:
        cause = printable(f"{type(error).__name__}: {error}")
        if len(cause) > _LONGEST_CAUSE:
            cause = cause[:_LONGEST_CAUSE] + "..."
        raise InputError(
            f"{file} is missing or damaged ({cause}); delete {result} beside it and run {command} "
            "again, or leave the folder out."
        ) from error
