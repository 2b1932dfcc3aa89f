"""Oracle: clips and summaries whose every number is known."""

import numpy as np
import torch

from musicssl.evaluation.tasks import task_named
from musicssl.figures.feature_axis import FeatureAxis
from musicssl.figures.generative_scene import Scene
from musicssl.methods.generative.pictures import ShownClips
from tests.support.known_models import identity, summary


def scene(y, model=None):
    clips = ShownClips(torch.arange(4.0 * len(y)).view(len(y), 4), 1 - y, y)
    ids = np.array([f"clip {i}" for i in range(len(y))])
    names, task = [f"c{label}" for label in range(y.shape[1])], task_named("multi_label")
    return Scene(model or identity(), clips, y.numpy() > 0, ids, names, task, FeatureAxis())


def test_clips_are_in_the_units_of_the_features():
    shown = scene(torch.ones(2, 1))
    fitted = shown.model.summary
    expected = shown.clips.x * fitted.scale + fitted.shift
    torch.testing.assert_close(shown.observed, expected)
    np.testing.assert_allclose(shown.curve(shown.observed), expected.numpy())


def test_clips_with_a_class_are_those_or_else_all():
    shown = scene(torch.tensor([[0.0, 1, 0], [0.5, 0, 0], [1, 1, 0.4]]))
    assert [shown.clips_with(label).tolist() for label in range(3)] == [[1, 2], [0, 2], [0, 1, 2]]


def test_flat_clips_of_several_instances_are_images():
    models = [identity(summary=summary(*form)) for form in [("mean", 1), ("flat", 1), ("flat", 3)]]
    found = [scene(torch.ones(2, 1), model).has_images for model in models]
    assert found == [False, False, True]
