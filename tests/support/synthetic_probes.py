"""Folders of probes as probe.py leaves them, with scores that we choose."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import yaml

from musicssl.evaluation.tasks import task_named
from tests.support.synthetic_runs import scores

CLASSES = ("violin", "drums & <bass>", "voice")
TRAIN = 1000


def source(name="simclr", seed=0, kind="checkpoint", p_s=1.0, b_s=0.5, trained_on="synthband"):
    """What probe.json says of the embeddings."""
    if kind != "checkpoint":
        p_s = b_s = trained_on = None
    label = f"{name} p{p_s}_b{b_s}_s{seed}" if kind == "checkpoint" else f"{name}, {kind}"
    run = f"/runs/{name}/p{p_s}_b{b_s}_s{seed}" if kind == "checkpoint" else None
    values = {"kind": kind, "name": name, "label": label, "run": run, "seed": seed}
    return values | {"p_s": p_s, "b_s": b_s, "trained_on": trained_on}


UNTRAINED = source("untrained_cnn", kind="untrained")
STATISTICS = source("log_mel", seed=None, kind="statistics")


def truth(num_clips=80, task="multi_label", seed=99):
    """Targets and mask, (N, C), every class and value among them."""
    rng = np.random.default_rng(seed)
    shape = (num_clips, len(CLASSES))
    if task == "regression":
        return rng.normal(size=shape).astype(np.float32), np.ones(shape, bool)
    if task == "multi_class":
        targets = np.eye(len(CLASSES), dtype=np.float32)[rng.integers(len(CLASSES), size=num_clips)]
        return targets, np.ones(shape, bool)
    return (rng.random(shape) < 0.4).astype(np.float32), rng.random(shape) < 0.7


def settings(corpus="gtzan", probe="linear", **dataset):
    """A resolved configuration of probe.py."""
    return {
        "checkpoint": "runs/simclr/checkpoints/best.ckpt",
        "embeddings": {"file": "mine.npz", "save": None},
        "probe": {"_target_": f"musicssl.probing.{probe}.Probe"},
        "dataset": {
            "_target_": f"musicssl.datasets.{corpus}.Corpus",
            "root": "/data",
            "features": {"num_mels": 64},
            "cache": "cache",
        }
        | dataset,
        "data": {"p_s": [0.1, 1.0], "stratified": False, "val_fraction": 0.15, "split_seed": 0},
        "encoder": None,
        "seed": 0,
    }


def write_probe(
    folder,
    made_by=None,
    qualities=(0.3, 1.0),
    *,
    corpus="gtzan",
    probe="linear",
    task="multi_label",
    test=None,
    draws=2,
    fractions=(0.1, 1.0),
    given=None,
    width=0.05,
    config=None,
):
    """Write a complete folder of probe.py.

    Args:
        folder: To write to.
        made_by: From `source`.
        qualities: Of the scores, see `scores`, for each fraction of labels.
        corpus: Its name.
        probe: The word after `probe=`.
        task: What the targets are.
        test: (targets, mask); None: those of `truth`.
        draws: Of labelled clips at each fraction.
        fractions: Of labels.
        given: Scores to write instead, (K, N, C).
        width: Half that of the intervals.
        config: From `settings`.
    """
    folder, made_by = Path(folder), made_by or source()
    folder.mkdir(parents=True)
    config = settings(corpus, probe) if config is None else config
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    targets, mask = truth(task=task) if test is None else test
    keys = [(p_s, draw) for p_s in fractions for draw in range(draws)]
    if given is None:
        rng = np.random.default_rng([made_by["seed"] or 0, len(made_by["name"])])
        chosen = dict(zip(fractions, qualities, strict=True))
        given = np.stack([scores(chosen[p_s], targets, rng) for p_s, _ in keys])
    measure = task_named(task).metrics
    macros = [measure(*map(torch.from_numpy, (one, targets, mask))).macro for one in given]
    document = {
        "made_of": "0",
        "source": made_by,
        "corpus": corpus,
        "task": task,
        "metric": {"multi_label": "auroc", "multi_class": "accuracy", "regression": "r2"}[task],
        "probe": probe,
        "embed_dim": 64,
        "clips": {"train": TRAIN, "val": 100, "test": len(targets)},
        "chance": {"auroc": 0.5, "accuracy": 0.125, "r2": 0.0},
        "fits": [
            {"p_s": p_s, "seed": draw, "labelled": round(TRAIN * p_s), "macro": plain(macro)}
            | {"val_loss": 1.25 + draw, "chosen": {"strength": 0.1}}
            for (p_s, draw), macro in zip(keys, macros, strict=True)
        ],
        "cells": [
            cell(p_s, [macro for key, macro in zip(keys, macros, strict=True) if key[0] == p_s])
            for p_s in fractions
        ],
    }
    for one in document["cells"]:
        mean = one["mean"]
        one["interval"] = {
            name: [mean[name] - width, mean[name] + width]
            for name in ("auroc", "average_precision", "accuracy", "r2")
            if name in mean
        }
    arrays = {"classes": np.array(CLASSES), "scores": given, "targets": targets, "mask": mask}
    ids = np.array([f"clip-{row:03d}" for row in range(len(targets))])
    np.savez_compressed(folder / "predictions.npz", clip_ids=ids, task=np.array(task), **arrays)
    (folder / "fits.csv").write_text(
        "p_s,seed\n" + "".join(f"{p_s},{draw}\n" for p_s, draw in keys)
    )
    (folder / "figures").mkdir()
    plt.imsave(folder / "figures" / "per_class.png", np.zeros((4, 4)))
    (folder / "probe.json").write_text(json.dumps(document))
    return folder


def plain(macro):
    """Write NaN as JSON has it."""
    return {name: None if np.isnan(value) else value for name, value in macro.items()}


def cell(p_s, macros):
    means = {name: float(np.mean([macro[name] for macro in macros])) for name in macros[0]}
    return {"p_s": p_s, "labelled": round(TRAIN * p_s), "mean": plain(means)}


def document(folder):
    return json.loads((folder / "probe.json").read_text())
