"""What a run leaves of the clusters that it found: which classes are in which, and how well."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from musicssl.cache import csv_field
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.clustering import (
    class_shares,
    cluster_accuracy,
    normalised_mutual_information,
)
from musicssl.figures.clusters import draw_clusters
from musicssl.figures.saving import save_png
from musicssl.methods.vade import VaDE
from musicssl.runs.folder import RunFolder


def write_clusters(
    folder: RunFolder, datamodule: SemiSupervisedDataModule, method: VaDE
) -> dict[str, float] | None:
    """Put each test clip into its likeliest cluster, and write and draw what is in them.

    Nothing is written of a regression, which has no classes.

    Args:
        folder: Of the run.
        datamodule: That the method was trained with.
        method: Trained, in evaluation mode.

    Returns:
        Accuracy and mutual information, see `musicssl.evaluation.clustering`, where a clip has one
        class.
    """
    if not method.task.has_classes:
        return None
    test = method.embedded(datamodule.batches("test"))
    with torch.no_grad():
        log_gamma = method.log_clusters(test.h).cpu().numpy()  # (N, K)
    clusters, num_clusters = log_gamma.argmax(axis=1), log_gamma.shape[1]
    y, mask = test.y.cpu().numpy(), test.mask.cpu().numpy()
    classes = datamodule.corpus.classes
    sizes = np.bincount(clusters, minlength=num_clusters)
    shares = class_shares(clusters, y, mask, num_clusters)
    lifts = shares / _or_nan(class_shares(np.zeros_like(clusters), y, mask, 1))
    write_cluster_table(folder.clusters, classes, sizes, shares, lifts)
    one_class = method.task.one_class_per_clip
    values, meaning, form = (
        (100 * shares, "% of the clips of a cluster", ".0f")
        if one_class
        else (lifts, "share in the cluster over share in all clips", ".1f")
    )
    figure = draw_clusters(classes, sizes, values, meaning, form)
    save_png(folder.figures / "clusters.png", figure)
    if not one_class:
        return None
    known = mask.all(axis=1)
    pair = clusters[known], y[known].argmax(axis=1)
    return {
        "accuracy": cluster_accuracy(*pair),
        "normalised_mutual_information": normalised_mutual_information(*pair),
    }


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
        shares: Of its clips in which the class is present, (K, C).
        lifts: That, over the share in all clips, (K, C).
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["cluster", "clips", "class", "share", "lift"])
        for k, size in enumerate(sizes):
            for c, name in enumerate(classes):
                values = (float(of[k, c]) for of in (shares, lifts))
                writer.writerow([k, size, name, *map(csv_field, values)])


def show_clusters(clusters: Mapping[str, float], console: Console) -> None:
    """Say how well clusters agree with classes."""
    console.print(
        f"Clusters against classes: accuracy {clusters['accuracy']:.3f}, with clusters matched to "
        "classes on these very test clips as is usual, normalised mutual information "
        f"{clusters['normalised_mutual_information']:.3f}.",
        highlight=False,
    )


def _or_nan(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return shares, NaN in place of 0: nothing is relative to what never occurs."""
    return np.where(shares > 0, shares, np.nan)
