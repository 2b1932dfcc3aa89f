"""The files of one run, checked as they are read."""

import json
import zlib
from collections.abc import Iterator, Mapping
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
from musicssl.evaluation.robustness_table import Robustness, read_robustness
from musicssl.report.read.test_set import Truth

_DAMAGE = (OSError, ValueError, LookupError, TypeError, EOFError, BadZipFile, zlib.error)


def read_config(file: Path) -> dict[str, Any]:
    """Read the resolved configuration of a run.

    Raises:
        InputError: If the file is missing, damaged or of something else.
    """
    with readable(file):
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
    """Read a test result: `macro`, `localisation` (empty if there is none), `labels`, `best_epoch`.

    `validation` has the metrics of the validation clips, (C) by name; of a run of an older version
    it is None.

    Raises:
        InputError: If the file is missing, damaged or of something else.
    """
    with readable(file):
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


def read_predictions(file: Path, settings: Mapping[str, str]) -> tuple[NDArray[np.floating], Truth]:
    """Read the scores of the test clips, (N, C), and what is true of them.

    Args:
        file: As `musicssl.evaluation.predictions.Predictions` writes it.
        settings: Of the run, by path. Those of its corpus go with the truth, but for the features:
            they are a choice of the method, as its encoder is.

    Raises:
        InputError: If the file is missing, damaged, or neither AUROC nor R² can be had from it.
    """
    with readable(file), file.open("rb") as opened, np.load(opened) as arrays:
        scores, targets, mask = arrays["scores"], arrays["targets"], arrays["mask"]
        classes, clip_ids = tuple(arrays["classes"].tolist()), arrays["clip_ids"]
        task = str(arrays["task"]) if "task" in arrays else "multi_label"  # all there once was
        if not scores.shape == targets.shape == mask.shape == (len(clip_ids), len(classes)):
            raise ValueError("its arrays have different sizes")
    if not learnable(targets, mask, task).any():
        missing = "no target varies" if task == "regression" else "no class has both values"
        raise InputError(f"{file}: {missing} among the test clips; test on more.")
    corpus = {
        key: value
        for key, value in settings.items()
        if key.startswith("dataset.") and not key.startswith("dataset.features.")
    }
    return scores, Truth(corpus, classes, clip_ids, targets, mask, task)


def read_corrupted(file: Path) -> Robustness | None:
    """Read what corruptions of sound do to a run; None if that was not tested.

    Raises:
        InputError: If the file is damaged.
    """
    return read_robustness(file) if file.is_file() else None


@contextmanager
def readable(
    file: Path, result: str = "metrics.json", command: str = "the training command"
) -> Iterator[None]:
    """Say of a file that cannot be read what to do about it.

    Args:
        file: That is read.
        result: The file beside it without which the command starts anew.
        command: That writes it.

    Raises:
        InputError: If reading it fails as it does if a file is missing or damaged.
    """
    try:
        yield
    except _DAMAGE as error:
        raise InputError(
            f"{file} is missing or damaged ({type(error).__name__}: {error}); delete {result} "
            f"beside it and run {command} again, or leave the folder out."
        ) from error
