"""Folders of regression runs with predictions that we choose."""

import json
from dataclasses import asdict

import numpy as np
import torch

from musicssl.data.label_count import LabelCount
from musicssl.evaluation.predictions import Predictions, measure
from musicssl.evaluation.regression import regression_metrics
from musicssl.runs.folder import RunFolder
from tests.support.synthetic_runs import TRAIN

TARGETS = ("arousal", "valence")


def truth(num_clips=50, seed=9):
    """Targets and mask, (N, 2)."""
    rng = np.random.default_rng(seed)
    targets = rng.normal(size=(num_clips, 2)).astype(np.float32)
    return targets, rng.random(targets.shape) < 0.8


def write_regression(folder, config, noise, test=None, on_validation=None):
    """Write a complete run whose predictions miss the targets by so much noise.

    On validation clips it is that of each target; None: a run of an older version.
    """
    files = RunFolder(folder)
    files.claim(config)
    targets, mask = truth() if test is None else test
    rng = np.random.default_rng([config["seed"], round(1e6 * config["data"]["p_s"])])
    values = (targets + noise * rng.normal(size=targets.shape)).astype(np.float32)
    clip_ids = np.array([f"clip-{row:03d}" for row in range(len(targets))])
    predictions = Predictions(TARGETS, clip_ids, values, targets, mask, "regression")
    predictions.save(files.path / "predictions.npz")
    metrics, validated = measure(predictions), {}
    if on_validation is not None:
        missed = targets + np.array(on_validation) * rng.normal(size=targets.shape)
        found = regression_metrics(*map(torch.from_numpy, (missed, targets, mask))).per_class
        by_class = {name: column.tolist() for name, column in found.items()}
        validated["validation"] = {"per_class": by_class}
    document = {
        "macro": metrics.macro,
        "per_class": {name: column.tolist() for name, column in metrics.per_class.items()},
        "classes": list(TARGETS),
        "labels": asdict(LabelCount(TRAIN, round(TRAIN * config["data"]["p_s"]), ())),
        "best_epoch": 1,
        "localisation": None,
        **validated,
    }
    files.metrics.write_text(json.dumps(document))
    return files.path
