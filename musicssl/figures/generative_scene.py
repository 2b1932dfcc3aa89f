"""The model and the test clips that pictures of a generative model show."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from musicssl.evaluation.tasks import Task
from musicssl.figures.feature_axis import (
    FeatureAxis,
    Floats,
    Part,
    difference_parts,
    images,
    level_parts,
)
from musicssl.methods.generative.pictures import FeatureModel, ShownClips


class Scene(NamedTuple):
    """A generative model, and test clips in the units of the features.

    Attributes:
        model: The generative model.
        clips: Test clips, N >= 1.
        present: Whether a class was observed to be present in each, (N, C) bool.
        clip_ids: Their names, (N,).
        classes: Names, (C).
        task: The kind of targets.
        axis: Names and units of the features.
    """

    model: FeatureModel
    clips: ShownClips
    present: NDArray[np.bool_]
    clip_ids: NDArray[np.str_]
    classes: Sequence[str]
    task: Task
    axis: FeatureAxis

    @property
    def observed(self) -> Tensor:
        """The clips in the units of the features, (N, D)."""
        return self.model.summary.unscaled(self.clips.x)

    def clips_with(self, label: int) -> NDArray[np.int64]:
        """Return the clips that have a class by their label or answer; all clips if none has."""
        rows = np.flatnonzero(floats(self.clips.y[:, label]) >= 0.5)
        return rows if len(rows) else np.arange(len(self.clip_ids))

    def levels(self, summaries: Tensor) -> list[Part]:
        """Return parts of summaries, (..., D)."""
        return level_parts(floats(summaries), *self._form)

    def differences(self, summaries: Tensor) -> list[Part]:
        """Return parts of differences of summaries, (..., D)."""
        return difference_parts(floats(summaries), *self._form)

    @property
    def has_images(self) -> bool:
        """Whether a summary is an image: all of several instances."""
        return self.model.summary.kind == "flat" and self.model.summary.num_instances > 1

    def images(self, summaries: Tensor) -> Floats:
        """Return summaries as images; see `musicssl.figures.feature_axis.images`."""
        return images(floats(summaries), self.model.summary.num_instances, self.axis)

    def curve(self, summaries: Tensor) -> Floats:
        """Return the first part of summaries, (..., D) -> (..., F)."""
        return self.levels(summaries)[0].values

    @property
    def curve_value(self) -> str:
        """Name and unit of the values of `curve`."""
        part = self.levels(self.clips.x[:1])[0]
        return f"{part.name}\n({part.value})"

    @property
    def _form(self) -> tuple[str, int, FeatureAxis]:
        return self.model.summary.kind, self.model.summary.num_instances, self.axis


def floats(values: Tensor) -> Floats:
    """Return a tensor as an array, for drawing."""
    return values.detach().cpu().double().numpy()
