"""Which clips and classes are drawn, and how; oracle: models whose every number is known."""

import numpy as np
import pytest
import torch

from musicssl.evaluation.tasks import task_named
from musicssl.figures.feature_axis import FeatureAxis
from musicssl.figures.generative_pictures import (
    classes_figure,
    first_of_classes,
    reconstructions_figure,
    samples_figure,
    traversals_figure,
)
from musicssl.figures.generative_scene import Scene
from musicssl.methods.generative.pictures import ShownClips
from tests.support.known_models import B, W, identity, linear, summary, two_components

CLASSES = ("none", "some", "nothing")


def scene(model, task="multi_label", **changes):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(20, 4, generator=rng)
    if task == "multi_class":
        y = torch.eye(3)[torch.arange(20) % 3]
    else:
        y = (torch.rand(20, 3, generator=rng) < 0.4).float()
    ids = np.array([f"clip {i}" for i in range(20)])
    parts = {
        "model": model,
        "clips": ShownClips(x, 1 - y, y),
        "present": y.numpy() > 0,
        "clip_ids": ids,
        "classes": CLASSES,
        "task": task_named(task),
        "axis": FeatureAxis(),
    }
    return Scene(**(parts | changes))


def curves(axes):
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def title(axes):
    return axes.get_title("left") or axes.get_title()


def heading(figure):
    return figure.get_suptitle().replace("\n", " ")


def test_clips_are_the_first_ones_of_different_classes():
    present = np.array([[0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
    assert first_of_classes(present, 6) == [(1, 0), (2, 1)]
    assert first_of_classes(present, 1) == [(1, 0)]
    assert first_of_classes(np.zeros((4, 2), bool), 3) == [(0, None), (1, None), (2, None)]
    assert first_of_classes(np.zeros((2, 2), bool), 3) == [(0, None), (1, None)]


def test_an_identity_draws_each_clip_twice():
    drawn = scene(identity(reads_classes=False))
    figure = reconstructions_figure(drawn)
    chosen = first_of_classes(drawn.present, 6)
    for axes, (clip, label) in zip(figure.axes, chosen, strict=True):
        both = curves(axes)
        np.testing.assert_allclose(both["observed"], drawn.observed[clip], rtol=1e-6)
        np.testing.assert_allclose(both["reconstructed"], drawn.observed[clip], rtol=1e-6)
        assert title(axes) == f"clip {clip}, {CLASSES[label]}"
    expected = "What is decoded from the mean of q(z|x); 100 % of the variance of test clips is"
    assert heading(figure).startswith(expected)


def test_a_title_says_what_a_clip_is_taken_for():
    drawn = scene(linear(), "multi_class")
    answers = torch.tensor([[1.0, 1, 0]]).repeat(20, 1)
    answers[1] = 0
    drawn = drawn._replace(clips=drawn.clips._replace(answers=answers))
    titles = [title(axes) for axes in reconstructions_figure(drawn).axes]
    assert titles == [
        "clip 0, none; taken for none, some",
        "clip 1, some; taken for nothing",
        "clip 2, nothing; taken for none, some",
    ]


def test_where_each_label_has_a_model_a_clip_is_reconstructed_by_that_of_its_class():
    model = identity(decoded=lambda z, y, label: z + label, label=0)
    drawn = scene(model)
    for axes, (clip, label) in zip(
        reconstructions_figure(drawn).axes, first_of_classes(drawn.present, 6), strict=True
    ):
        expected = drawn.observed[clip] + label * model.summary.scale
        np.testing.assert_allclose(curves(axes)["reconstructed"], expected, rtol=1e-5)
        says = f"clip {clip}, with {CLASSES[label]}: its model says absent and explains "
        assert title(axes).startswith(says)
    unknown = scene(model, present=np.zeros((20, 3), bool))
    [first, *_] = reconstructions_figure(unknown).axes
    assert title(first).startswith("clip 0: the model of none says ")


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_classes_add_their_rows_and_those_that_add_most_are_drawn(task):
    drawn = scene(linear(), task)
    heat, _, *panels = classes_figure(drawn).axes
    scale = drawn.model.summary.scale
    rows = B - B.mean(dim=0) if task == "multi_class" else B
    [image] = heat.images
    np.testing.assert_allclose(image.get_array(), rows * scale, atol=1e-5)
    assert [text.get_text() for text in heat.get_yticklabels()] == list(CLASSES)
    order = rows.square().sum(dim=1).argsort(descending=True, stable=True).tolist()
    panels = [axes for axes in panels if axes.lines]
    for flip, samples, label in zip(panels[:3], panels[3:], order, strict=True):
        clip = int(np.flatnonzero(drawn.present[:, label])[0])
        assert title(flip) == f"{CLASSES[label]}: clip {clip}"
        named = curves(flip)
        np.testing.assert_allclose(named.pop("observed"), drawn.observed[clip], rtol=1e-5)
        has, other = named.values()
        z, y = drawn.clips.x[clip, :2], drawn.clips.y[clip].clone()
        expected = drawn.model.summary.unscaled(z @ W + y @ B)
        np.testing.assert_allclose(has, expected, rtol=1e-4, atol=1e-5)
        if task == "multi_label":
            assert list(named) == ["present", "absent"]
            np.testing.assert_allclose(has - other, B[label] * scale, atol=1e-5)
        else:
            furthest = int((B - B[label]).square().sum(dim=1).argmax())
            assert list(named) == [f"as {CLASSES[label]}", f"as {CLASSES[furthest]}"]
            np.testing.assert_allclose(has - other, (B[label] - B[furthest]) * scale, atol=1e-5)
        of_class = drawn.present[:, label]
        mean = curves(samples)["mean of such test clips"]
        np.testing.assert_allclose(mean, drawn.observed[of_class].mean(dim=0), rtol=1e-5)
        assert (
            title(samples) == f"{CLASSES[label]}: {min(of_class.sum(), 12)} samples, z from N(0, I)"
        )


def test_of_many_classes_the_most_frequent_are_drawn_and_that_is_said():
    y = torch.zeros(20, 60)
    y[:, 5:55] = 1
    model = linear(decoded=lambda z, y, label: z @ W + y[:, label, None])
    drawn = scene(
        model,
        clips=ShownClips(torch.randn(20, 4), y, y),
        present=y.numpy() > 0,
        classes=[f"c{label}" for label in range(60)],
    )
    figure = classes_figure(drawn)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == [f"c{label}" for label in range(5, 55)]
    assert heading(figure).endswith("20 test clips; the 50 most frequent of 60 classes")


def test_models_that_were_kept_from_epochs_of_their_own_say_so():
    drawn = scene(linear(epochs=tuple(range(10, 60))))
    figure = classes_figure(drawn)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == [f"{name} ({10 + label})" for label, name in enumerate(drawn.classes)]
    assert "in brackets the epochs" in heading(figure)


def test_components_are_drawn_by_weight_with_what_their_means_decode_to():
    drawn = scene(linear(two_components(), reads_classes=False))
    test, *components = samples_figure(drawn).axes
    clips = np.stack([line.get_ydata() for line in test.lines])
    np.testing.assert_allclose(clips[:12], drawn.observed[:12], rtol=1e-6)
    np.testing.assert_allclose(clips[12], drawn.observed.mean(dim=0), rtol=1e-6)
    model = drawn.model
    names = ["cluster 0 (75.0 % of p(z))", "cluster 1 (25.0 % of p(z))"]
    assert [title(axes) for axes in components] == names
    for axes, mean in zip(components, model.prior.means, strict=True):
        expected = model.summary.unscaled(mean @ W + drawn.clips.y[0] @ B)
        np.testing.assert_allclose(curves(axes)["decoded from its mean"], expected, rtol=1e-5)
        assert len(axes.lines) == 13


def test_components_that_are_classes_have_their_names_and_a_single_one_has_none():
    named = linear(two_components(), reads_classes=False, components_are_classes=True)
    titles = [title(axes) for axes in samples_figure(scene(named)).axes]
    assert titles == ["test clips", "none (75.0 % of p(z))", "some (25.0 % of p(z))"]
    alone = samples_figure(scene(linear(reads_classes=False)))
    assert [title(axes) for axes in alone.axes] == ["test clips", "samples, z from N(0, I)"]


def test_a_traversal_is_drawn_as_differences_from_its_middle():
    model = linear(label=1)
    figure = traversals_figure(scene(model))
    spread = scene(model).clips.x[:, :2].std(dim=0, correction=0)
    order = spread.argsort(descending=True).tolist()
    assert heading(figure).startswith("The model of some: features less those in the middle")
    for axes, dimension in zip(figure.axes, order, strict=False):
        assert axes.get_ylabel() == f"z {dimension}\ns = {spread[dimension]:.2f}"
        [image] = axes.images
        steps = torch.linspace(3, -3, 13)[:, None]  # the greatest on top
        expected = steps * W[dimension] * model.summary.scale
        np.testing.assert_allclose(image.get_array(), expected, atol=1e-4)


def test_flat_clips_are_drawn_as_images_where_they_have_several_instances():
    model = identity(summary=summary("flat", 3))
    x = torch.randn(20, 12, generator=torch.Generator().manual_seed(0))
    y = torch.ones(20, 3)
    drawn = scene(model, clips=ShownClips(x, y, y), present=y.numpy() > 0)
    figure = reconstructions_figure(drawn)
    for axes in figure.axes[:2]:
        [image] = axes.images
        np.testing.assert_allclose(
            np.asarray(image.get_array())[::-1].T, drawn.observed[0].view(3, 4), rtol=1e-6
        )
