"""What a run leaves of a generative model: pictures of what it makes of test clips."""

import numpy as np
import torch
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
from musicssl.figures.saving import save_png
from musicssl.methods.base.method import ClassificationMethod
from musicssl.methods.generative.pictures import FeatureModel, ShownClips, ShowsFeatures, decided
from musicssl.runs.folder import RunFolder

_MOST_CLIPS = 2000


@torch.no_grad()
def write_generative(
    folder: RunFolder, datamodule: SemiSupervisedDataModule, method: ClassificationMethod
) -> None:
    """Draw what a generative model reconstructs, samples and has learnt to vary.

    Nothing is drawn of a method without one. At most 2,000 test clips are looked at, always the
    same.

    Args:
        folder: Of the run.
        datamodule: That the method was trained with.
        method: Trained, in evaluation mode.
    """
    model = method.shown() if isinstance(method, ShowsFeatures) else None
    if model is None:
        return
    scene = scene_of(datamodule, method, model)
    samples = classes_figure if model.reads_classes else samples_figure
    figures = {
        "reconstructions": reconstructions_figure(scene),
        "samples": samples(scene),
        "traversals": traversals_figure(scene),
    }
    for name, figure in figures.items():
        save_png(folder.figures / f"{name}.png", figure)


def scene_of(
    datamodule: SemiSupervisedDataModule, method: ClassificationMethod, model: FeatureModel
) -> Scene:
    """Return the test clips with what the method says of them."""
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
