"""Which folders hold results, and their files, checked as they are read."""

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import yaml
from numpy.typing import NDArray

from musicssl.cache import null_to_nan
from musicssl.data.checks import learnable
from musicssl.errors import InputError
from musicssl.report.read.evaluation_set import EvaluationSet

_DAMAGE = (OSError, ValueError, LookupError, TypeError, EOFError, BadZipFile, zlib.error)


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
    files = {file.resolve(): file for folder in folders for file in sorted(folder.rglob(name))}
    return [file.parent for file in files.values()]


def is_training_config(text: str) -> bool:
    """Whether the text of a config.yaml is that of a training run.

    Other programs have files of that name.
    """
    return "\n  p_s:" in text and not is_probe_config(text)


def is_probe_config(text: str) -> bool:
    """Whether the text of a config.yaml is that of a probe."""
    return "\n  p_s:" in text and re.search(r"^probe:", text, re.MULTILINE) is not None


def read_config(file: Path) -> dict[str, Any]:
    """Read the resolved configuration of a training run.

    Raises:
        InputError: If the file is missing, damaged or another program's.
    """
    with explained_damage(file):
        config = load_config(file)
        _ = config["name"], config["seed"], config["dataset"], config["data"]["p_s"]
    return config


def load_config(file: Path) -> dict[str, Any]:
    """Load a YAML file.

    Raises:
        ValueError: If it is not YAML.
    """
    try:
        config: dict[str, Any] = yaml.load(file.read_text(), yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError("not YAML") from error
    return config


def read_metrics(file: Path) -> dict[str, Any]:
    """Read a test result: `macro`, `localisation` (may be empty), `labels` and `best_epoch`.

    `validation` has the metrics of the validation clips, (C) by name. It is None if the run was
    made by a version that did not write them.

    Raises:
        InputError: If the file is missing, damaged or another program's.
    """
    with explained_damage(file):
        document = json.loads(file.read_text())
        return {
            "macro": null_to_nan(document["macro"]),
            "localisation": null_to_nan(document["localisation"] or {}),
            "labels": {"labelled": int(document["labels"]["labelled"])},
            "best_epoch": document["best_epoch"],
            "validation": _validation(document),
        }


def _validation(document: Mapping[str, Any]) -> dict[str, NDArray[np.float64]] | None:
    if "validation" not in document:
        return None
    by_class = {
        name: np.array(null_to_nan(values), np.float64)
        for name, values in document["validation"]["per_class"].items()
    }
    if any(column.shape != (len(document["classes"]),) for column in by_class.values()):
        raise ValueError("its validation metrics are not those of its classes")
    return by_class


def read_predictions(
    file: Path, settings: Mapping[str, str]
) -> tuple[NDArray[np.floating], EvaluationSet]:
    """Read the scores of the test clips, (N, C), and their targets.

    Args:
        file: As `musicssl.evaluation.predictions.Predictions` writes it.
        settings: Of the run, by path. Those of the corpus are kept with the targets, except for the
            features, which are a choice of the method as its encoder is.

    Raises:
        InputError: If the file is missing or damaged, or neither AUROC nor R² is defined on it.
    """
    with explained_damage(file), file.open("rb") as opened, np.load(opened) as arrays:
        scores, targets, mask = arrays["scores"], arrays["targets"], arrays["mask"]
        classes, clip_ids = tuple(arrays["classes"].tolist()), arrays["clip_ids"]
        task = str(arrays["task"]) if "task" in arrays else "multi_label"  # as of version 0.1.0
        if not scores.shape == targets.shape == mask.shape == (len(clip_ids), len(classes)):
            raise ValueError("its arrays have different sizes")
    corpus = {
        key: value
        for key, value in settings.items()
        if key.startswith("dataset.") and not key.startswith("dataset.features.")
    }
    test_set = EvaluationSet(corpus, classes, clip_ids, targets, mask, task)
    if not learnable(targets, mask, task).any():
        missing = "no class has both values" if test_set.has_classes else "no target varies"
        raise InputError(f"{file}: {missing} among the test clips; test on more.")
    return scores, test_set


@contextmanager
def explained_damage(
    file: Path, result: str = "metrics.json", command: str = "the training command"
) -> Iterator[None]:
    """Explain errors of reading a file that is missing or damaged, and how to mend it.

    Args:
        file: That is read.
        result: The file beside it; if that is deleted, the command starts anew.
        command: The command that writes both.

    Raises:
        InputError: If reading raises an error that a missing or damaged file causes.
    """
    try:
        yield
    except _DAMAGE as error:
        raise InputError(
            f"{file} is missing or damaged ({type(error).__name__}: {error}); delete {result} "
            f"beside it and run {command} again, or leave the folder out."
        ) from error
