"""Folders of runs as train.py leaves them, with scores that we choose."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from musicssl.data.label_count import LabelCount
from musicssl.documents import write_json
from musicssl.evaluation.metrics import macro, per_class_metrics
from musicssl.evaluation.predictions import Predictions
from musicssl.runs.folder import RunFolder

CLASSES = ("violin", "drums & <bass>", "voice")
TRAIN = 1000

_written: dict[str, dict[str, bytes]] = {}  # the files of runs that tests have asked for before


def settings(name="att", seed=0, p_s=0.1, **changes):
    """A resolved configuration in which, as in a real one, much stands twice."""
    values = {"b_s": 1.0, "dropout": 0.6, "corpus_seed": 0, "threads": 1, "checkpoint": None}
    values |= changes
    dataset = {
        "_target_": "tests.support.tiny.Tiny",
        "seed": values["corpus_seed"],
        "features": {"num_mels": 64},
        "cache": "cache",
    }
    encoder = {"_target_": "musicssl.encoders.att.AttEmbedding", "dropout": values["dropout"]}
    return {
        "name": name,
        "seed": seed,
        "threads": values["threads"],
        "overwrite": False,
        "data": {"p_s": p_s, "b_s": values["b_s"]},
        "datamodule": {"dataset": dataset, "p_s": p_s, "b_s": values["b_s"], "seed": seed},
        "dataset": dataset,
        "finetune": {"checkpoint": values["checkpoint"]},
        "encoder": encoder,
        "method": {"_target_": f"musicssl.methods.{name}", "encoder": encoder, "seed": seed},
        "logger": False,
    }


def truth(num_clips=60, observed=0.7, seed=99):
    """Targets and mask, (N, C), both values of every class among them."""
    rng = np.random.default_rng(seed)
    shape = (num_clips, len(CLASSES))
    targets = (rng.random(shape) < 0.4).astype(np.float32)
    return targets, rng.random(shape) < observed


def scores(quality, targets, rng):
    """Probabilities that know the targets the better the higher `quality`; some are ties."""
    logits = quality * (2 * targets - 1) + rng.normal(size=targets.shape)
    return (1 / (1 + np.exp(-logits))).round(2).astype(np.float32)


def write_run(folder, config, quality=0.5, test=None, **more):
    """Write a complete run.

    Args:
        folder: To write to.
        config: From `settings`.
        quality: Of the scores, see `scores`.
        test: (targets, mask); None: those of `truth`.
        more: The rest of what `_write` takes.
    """
    files = RunFolder(Path(folder))
    if test is not None or any(isinstance(value, np.ndarray | tuple) for value in more.values()):
        _write(files, config, quality, test, **more)
        return files.path
    key = json.dumps([config, quality, more])
    if key not in _written:
        _write(files, config, quality, test, **more)
        _written[key] = {path.name: path.read_bytes() for path in files.path.iterdir()}
    files.path.mkdir(parents=True, exist_ok=True)
    for name, content in _written[key].items():
        (files.path / name).write_bytes(content)
    return files.path


def _write(
    files,
    config,
    quality,
    test,
    given=None,
    localisation=None,
    best_epoch=1,
    validation=None,
    first_clip=0,
):
    """Write the files of a run.

    Args:
        files: The folder of the run.
        config: See `write_run`, as for quality and test.
        given: Scores to write instead, (N, C).
        localisation: As in metrics.json.
        best_epoch: None: a method without epochs.
        validation: Scores, targets and mask of validation clips; None: a run of an older version.
        first_clip: Number of the first test clip; the others have the numbers after it.
    """
    files.claim(config)
    targets, mask = truth() if test is None else test
    rng = np.random.default_rng([config["seed"], round(1e6 * config["data"]["p_s"])])
    values = scores(quality, targets, rng) if given is None else given
    clip_ids = np.array([f"clip-{first_clip + row:03d}" for row in range(len(targets))])
    Predictions(CLASSES, clip_ids, values, targets, mask).save(files.path / "predictions.npz")
    per_class = per_class_metrics(*map(torch.from_numpy, (values, targets, mask)))
    labelled = round(TRAIN * config["data"]["p_s"])
    document = {
        "macro": macro(per_class),
        "per_class": {name: column.tolist() for name, column in per_class.items()},
        "classes": list(CLASSES),
        "labels": asdict(LabelCount(TRAIN, labelled, ())),
        "best_epoch": best_epoch,
        "localisation": localisation,
    }
    if validation is not None:
        columns = per_class_metrics(*map(torch.from_numpy, validation))
        by_class = {name: column.tolist() for name, column in columns.items()}
        document["validation"] = {"macro": macro(columns), "per_class": by_class}
    write_json(files.metrics, document)


def write_fold(root, fold, name="att", quality=0.5, count=40, apart=True, seed=0, p_s=0.1):
    """Write the run of a fold, a number from 1 up, which has test clips of its own if `apart`."""
    config = settings(name, seed=seed, p_s=p_s)
    config["dataset"] |= {"fold": fold}
    test = truth(count, observed=1.0, seed=fold)
    folder = root / name / f"fold-{fold}" / f"p{p_s}_s{seed}"
    return write_run(folder, config, quality, test, first_clip=1000 * fold if apart else 0)


def write_sweep(root, qualities, fractions=(0.02, 0.1, 0.5), seeds=(0, 1, 2), **how):
    """Write a run for each method of `qualities` (name: quality at p_s = 1), fraction and seed."""
    for name, quality in qualities.items():
        for p_s in fractions:
            for seed in seeds:
                folder = root / name / f"p{p_s}_b1.0_s{seed}"
                here = max(quality + 0.2 * np.log10(p_s), 0)
                write_run(folder, settings(name, seed, p_s), here, **how)
    return root
