"""What a run leaves of the clusters that it found: which classes are in which, and how well."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from musicssl.documents import csv_field
from musicssl.evaluation.clustering import (
    class_shares,
    cluster_accuracy,
    normalised_mutual_information,
)
from musicssl.figures.clusters import draw_clusters
from musicssl.figures.style import save_png
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.folder import RunFolder


class Clusters:
    """Which classes are in which cluster of test clips.

    It is for methods with a `probe` and `log_clusters`, which maps embeddings, (N, Z), to the log
    probabilities of clusters, (N, K).
    """

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Put each test clip into its likeliest cluster, and write and draw what is in them.

        A regression has no classes, and nothing is written. Where a clip has one class, accuracy
        and mutual information are returned; see `musicssl.evaluation.clustering`.
        """
        task, classes = run.method.task, run.corpus.classes
        if not task.has_classes:
            return {}
        test = run.embedded("test")
        with torch.no_grad():
            log_gamma = run.method.log_clusters(test.h).cpu().numpy()  # (N, K)
        clusters, num_clusters = log_gamma.argmax(axis=1), log_gamma.shape[1]
        y, mask = test.y.cpu().numpy(), test.mask.cpu().numpy()
        sizes = np.bincount(clusters, minlength=num_clusters)
        shares = class_shares(clusters, y, mask, num_clusters)
        lifts = shares / _or_nan(class_shares(np.zeros_like(clusters), y, mask, 1))
        write_cluster_table(run.folder.clusters, classes, sizes, shares, lifts)
        values, meaning, form = (
            (100 * shares, "% of the clips of a cluster", ".0f")
            if task.one_class_per_clip
            else (lifts, "share in the cluster over share in all clips", ".1f")
        )
        figure = draw_clusters(classes, sizes, values, meaning, form)
        save_png(run.folder.figures / "clusters.png", figure)
        if not task.one_class_per_clip:
            return {}
        labelled = mask.all(axis=1)
        pair = clusters[labelled], y[labelled].argmax(axis=1)
        return {
            "clusters": {
                "accuracy": cluster_accuracy(*pair),
                "normalised_mutual_information": normalised_mutual_information(*pair),
            }
        }

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print how well clusters agree with classes."""
        clusters = document.get("clusters")
        if not clusters:
            return
        console.print(
            f"Clusters against classes: accuracy {clusters['accuracy']:.3f}, with clusters matched "
            "to classes on these very test clips as is usual, normalised mutual information "
            f"{clusters['normalised_mutual_information']:.3f}.",
            highlight=False,
        )


def write_cluster_table(
    path: Path,
    classes: Sequence[str],
    sizes: NDArray[np.integer],
    shares: NDArray[np.floating],
    lifts: NDArray[np.floating],
) -> None:
    """Write a row for each cluster and class; an undefined value is an empty field.

    Args:
        path: To write to.
        classes: Names, (C).
        sizes: Clips of each cluster, (K,).
        shares: Shares of its clips in which the class is present, (K, C).
        lifts: That, over the share in all clips, (K, C).
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["cluster", "clips", "class", "share", "lift"])
        for k, size in enumerate(sizes):
            for c, name in enumerate(classes):
                values = (float(of[k, c]) for of in (shares, lifts))
                writer.writerow([k, size, csv_field(name), *map(csv_field, values)])


def _or_nan(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return shares, NaN in place of 0: nothing is relative to what never occurs."""
    return np.where(shares > 0, shares, np.nan)
