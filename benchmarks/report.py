"""Seconds that a report over 500 runs takes: read, group, test, draw and write.

The runs are made first, in a folder that is removed at the end: ten methods, ten fractions of
labels, five seeds; 2,400 test clips of twenty classes each, as on synthband.

    python benchmarks/report.py [--methods 10]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from musicssl.evaluation.predictions import Predictions
from musicssl.evaluation.statistics.delong import macro_auroc

CLIPS, CLASSES, TRAIN, SEEDS = 2400, 20, 8400, 5
FRACTIONS = [0.01 * 1.6**k for k in range(10)]


@dataclass(frozen=True)
class Truth:
    """Test labels."""

    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]


def write_run(folder: Path, config: Path, method: int, p_s: float, seed: int, truth: Truth) -> None:
    """Write what the report reads of a run, with scores that get better with p_s."""
    folder.mkdir(parents=True)
    settings = yaml.load(config.read_text(), yaml.CSafeLoader)
    settings |= {"name": f"method_{method}", "seed": seed}
    settings["data"]["p_s"] = settings["datamodule"]["p_s"] = p_s
    settings["datamodule"]["seed"] = seed
    (folder / "config.yaml").write_text(yaml.dump(settings, Dumper=yaml.CSafeDumper))
    rng = np.random.default_rng([method, seed, round(1e6 * p_s)])
    quality = 1 + 0.2 * np.log(p_s) + 0.02 * method + 0.02 * rng.normal()
    logits = max(quality, 0) * truth.targets + rng.normal(size=(CLIPS, CLASSES))
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    ids = np.array([f"synthband-{clip:05d}" for clip in range(CLIPS)])
    classes = tuple(f"class {c}" for c in range(CLASSES))
    predictions = Predictions(classes, ids, scores, truth.targets, truth.mask)
    predictions.save(folder / "predictions.npz")
    result = macro_auroc(scores, truth.targets >= 0.5, truth.mask)
    document = {
        "macro": {"auroc": result.macro, "average_precision": result.macro, "f1": quality},
        "per_class": {"auroc": result.per_class.tolist()},
        "classes": classes,
        "labels": {"train": TRAIN, "labelled": round(p_s * TRAIN), "lost": []},
        "best_epoch": 40,
        "localisation": None,
    }
    (folder / "metrics.json").write_text(json.dumps(document))


def main() -> None:
    """Make the runs, report on them in a process of its own and print the seconds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--methods", type=int, default=10)
    options = parser.parse_args()
    root = Path(__file__).resolve().parents[1]
    rng = np.random.default_rng(0)
    targets = (rng.random((CLIPS, CLASSES)) < 0.2).astype(np.float32)
    truth = Truth(targets, np.ones(targets.shape, bool))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        resolved = [sys.executable, root / "train.py", "--cfg", "job", "--resolve"]
        config = folder / "resolved.yaml"
        config.write_bytes(subprocess.run(resolved, check=True, capture_output=True).stdout)
        points = [
            (m, p, s) for m in range(options.methods) for p in FRACTIONS for s in range(SEEDS)
        ]
        for method, p_s, seed in points:
            path = folder / "runs" / f"method_{method}" / f"p{p_s}_b1.0_s{seed}"
            write_run(path, config, method, p_s, seed, truth)
        command = [
            sys.executable,
            "-m",
            "musicssl.report",
            folder / "runs",
            "--out",
            folder / "out",
        ]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        print(f"report over {len(points)} runs: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
