"""What a run leaves of the embeddings that it learnt: a map, and what few labels make of them."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from rich.console import Console

from musicssl.data.corpus import Corpus
from musicssl.errors import InputError, printable
from musicssl.evaluation.metrics import metric_info, primary_metric
from musicssl.evaluation.monitors import effective_rank
from musicssl.evaluation.tasks import Task
from musicssl.figures.embedding_map import FEWEST, draw_embedding_map
from musicssl.probing.base import Embeddings
from musicssl.probing.label_curve import CurvePoint, label_curve
from musicssl.probing.linear import linear_judge
from musicssl.probing.prototypes import nearest_prototype
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.artifacts.label_curve import (
    draw_probe_curves,
    read_probe_curves,
    write_probe_curves,
)
from musicssl.runs.folder import RunFolder

log = logging.getLogger(__name__)

_COLLAPSED = 1.5  # effective rank


class LearnedEmbeddings:
    """A map of the test clips, and probes of 1 to 100 % of the labels.

    It is for methods with a `probe`; see `musicssl.methods.base.online_probe.OnlineProbe`.
    """

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Draw the map and the probes; return the effective rank of the embeddings."""
        test, val = run.embedded("test"), run.embedded("val")
        draw_map(run.folder, run.corpus, test, run.layout)
        train = run.method.probe.labelled(run.datamodule)
        curves = probe_curves(run.method.task, train, val, test, run.datamodule.seed)
        write_probe_curves(run.folder.label_curve, curves)
        draw_probe_curves(run.folder.figures, curves)
        return {"effective_rank": float(effective_rank(test.h))}

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print how probes of few labels do, and whether the embeddings have collapsed."""
        if not document.get("effective_rank"):
            return
        rank: float = document["effective_rank"]
        try:
            curves = read_probe_curves(folder.label_curve)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{folder.label_curve} is missing or damaged ({printable(str(error))}); delete "
                f"{folder.metrics.name} beside it, and the same command writes both again."
            ) from error
        for name, points in curves.items():
            metric = primary_metric(points[0].macro)
            heading = metric_info(metric).heading
            steps = ", ".join(f"{p.macro[metric]:.3f} of {p.clips:,}" for p in points)
            sentence = printable(f"{name}, {heading} by labelled clips: {steps}.")
            console.print(sentence, highlight=False, markup=False)
        text = f"Effective rank of the embeddings: {rank:.1f}."
        if rank < _COLLAPSED:
            text += (
                " They have collapsed: all clips look alike, and probes decide by next to nothing."
            )
        console.print(text, highlight=False)


def draw_map(folder: RunFolder, corpus: Corpus, test: Embeddings, layout: str | None) -> None:
    """Draw a map of the test clips and replace the existing one.

    Args:
        folder: Folder of the run.
        corpus: Corpus that the clips belong to.
        test: Their embeddings.
        layout: See `musicssl.figures.embedding_map.project`; None for no map.
    """
    if layout is None:
        (folder.figures / "embedding_map.png").unlink(missing_ok=True)
        return
    if len(test.h) < FEWEST:
        log.warning("There is no map of embeddings: %d test clips show nothing.", len(test.h))
        return
    h, y, mask = (part.cpu().numpy() for part in test)
    draw_embedding_map(folder.figures, h, y, mask, corpus.classes, corpus.task, layout)


def probe_curves(
    task: Task, train: Embeddings, val: Embeddings, test: Embeddings, seed: int
) -> dict[str, list[CurvePoint]]:
    """Return how probes do with fewer of the labelled training clips.

    A regression has no prototypes.
    """
    linear = partial(linear_judge, val=val, task=task)
    curves = {"linear probe": label_curve(linear, train, test, task, seed=seed)}
    if task.has_classes:
        curves["prototypes"] = label_curve(nearest_prototype, train, test, task, seed=seed)
    return curves
