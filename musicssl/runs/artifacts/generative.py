"""What a run leaves of a generative model: pictures of what it makes of test clips."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.figures.feature_axis import feature_axis
from musicssl.figures.generative_pictures import (
    classes_figure,
    reconstructions_figure,
    samples_figure,
    traversals_figure,
)
from musicssl.figures.generative_scene import Scene
from musicssl.figures.style import save_png
from musicssl.methods.base.method import Method
from musicssl.methods.generative.pictures import FeatureModel, ShownClips, decided
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.folder import RunFolder

_MOST_CLIPS = 2000


class GenerativePictures:
    """What a generative model reconstructs, samples and has learnt to vary.

    It is for methods with `shown`, which returns a `FeatureModel`, or None for no pictures. At most
    2,000 test clips are looked at, always the same.
    """

    @torch.no_grad()
    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Draw the pictures."""
        model = run.method.shown()
        if model is None:
            return {}
        scene = scene_of(run.datamodule, run.method, model)
        samples = classes_figure if model.reads_classes else samples_figure
        figures = {
            "reconstructions": reconstructions_figure(scene),
            "samples": samples(scene),
            "traversals": traversals_figure(scene),
        }
        for name, figure in figures.items():
            save_png(run.folder.figures / f"{name}.png", figure)
        return {}

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print nothing."""


def scene_of(datamodule: SemiSupervisedDataModule, method: Method, model: FeatureModel) -> Scene:
    """Return the test clips with the predictions of the method."""
    corpus, rows = datamodule.corpus, datamodule.rows("test")
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:_MOST_CLIPS])
    parts: list[tuple[Tensor, ...]] = []
    for batch in datamodule.batches_of(rows):
        here = batch.to(method.device)
        answers = decided(method.scores(here), method.task)
        y = here.y.where(here.mask, answers)
        parts.append((model.summary.of(here), answers, y, here.mask & (here.y >= 0.5)))
    x, answers, y, present = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return Scene(
        model,
        ShownClips(x, answers, y),
        present.cpu().numpy(),
        corpus.clip_ids[rows],
        corpus.classes,
        method.task,
        feature_axis(datamodule.dataset, int(datamodule.sizes["num_features"])),
    )
