"""Which clips, classes and latent variables the pictures of a generative model show."""

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from musicssl.figures.feature_curves import Curves
from musicssl.figures.generative_figures import (
    draw_classes,
    draw_image_reconstructions,
    draw_reconstructions,
    draw_samples,
    draw_traversals,
)
from musicssl.figures.generative_scene import Scene, floats
from musicssl.methods.generative.pictures import (
    ShownClips,
    added,
    component_means,
    decoded_flipped,
    explained_share,
    reconstructed,
    sampled,
    traversal,
)

_RECONSTRUCTED = 6  # clips
_MOST_CLASSES = 50
_EXAMPLES = 3  # classes of which curves are drawn
_SAMPLES = 12  # of each
_MOST_COMPONENTS = 23
_COLUMNS = 4
_MOVED = 6  # latent variables
_STEPS = torch.linspace(-3, 3, 13)


def first_of_classes(present: NDArray[np.bool_], count: int) -> list[tuple[int, int | None]]:
    """Return some clips, each the first one with another class, and that class.

    If no clip has any class, they are the first clips, with None.

    Args:
        present: (N, C).
        count: Clips to return, if there are so many.
    """
    chosen: dict[int, int | None] = {}
    for label, column in enumerate(present.T):
        new = [clip for clip in np.flatnonzero(column).tolist() if clip not in chosen]
        if new and len(chosen) < count:
            chosen[new[0]] = label
    return list((chosen or dict.fromkeys(range(min(count, len(present))))).items())


def reconstructions_figure(scene: Scene) -> Figure:
    """Draw clips of different classes beside their reconstructions from the means of their z.

    If each class has a model of its own, the model is that of the class of the clip.
    """
    model, by_label = scene.model, scene.model.label is not None
    chosen = first_of_classes(scene.present, _RECONSTRUCTED)
    clips = [clip for clip, _ in chosen]
    labels = [label or 0 if by_label else 0 for _, label in chosen]
    decoded = {label: reconstructed(model, scene.clips, label) for label in labels}  # (N, D) each
    shares = {label: explained_share(model, scene.clips, x) for label, x in decoded.items()}
    head = "What is decoded from the mean of q(z|x)"
    if model.reads_classes:
        head = "What is decoded from the mean of q(z|x, y), y being the classifier's answer"
    if by_label:
        pairs = zip(clips, labels, strict=True)
        titles = [_of_a_model(scene, clip, label, shares[label]) for clip, label in pairs]
    else:
        titles = [_named(scene, *one) for one in chosen]
        head += f"; {100 * shares[0]:z.0f} % of the variance of test clips is explained"
    pairs = zip(clips, labels, strict=True)
    observed = scene.observed[clips]
    again = torch.stack([decoded[label][clip] for clip, label in pairs])
    axis = scene.axis
    if scene.has_images:
        images = scene.images(observed), scene.images(again)
        return draw_image_reconstructions(titles, *images, axis.all_features, axis.value, head)
    parts = scene.levels(observed), scene.levels(again)
    return draw_reconstructions(titles, *parts, axis.feature, head)


def _of_a_model(scene: Scene, clip: int, label: int, share: float) -> str:
    name = scene.classes[label]
    whose = f", with {name}: its model" if scene.present[clip, label] else f": the model of {name}"
    answer = "present" if scene.clips.answers[clip, label] >= 0.5 else "absent"
    explained = f"explains {100 * share:z.0f} % of the variance of test clips"
    return f"{scene.clip_ids[clip]}{whose} says {answer} and {explained}"


def _named(scene: Scene, clip: int, label: int | None) -> str:
    """Name a clip, its class, and the answer if the model reads classes."""
    title = str(scene.clip_ids[clip])
    if label is not None:
        title += f", {scene.classes[label]}"
    if scene.model.reads_classes:
        answers = (scene.clips.answers[clip] >= 0.5).nonzero()[:, 0].tolist()
        title += f"; taken for {', '.join(scene.classes[c] for c in answers) or 'nothing'}"
    return title


def classes_figure(scene: Scene) -> Figure:
    """Draw what each class adds; of those that add most, single clips and samples."""
    model, clips, task = scene.model, scene.clips, scene.task
    frequent = _most_frequent(scene.present, _MOST_CLASSES)
    effects = added(model, clips, frequent, task)  # (len(frequent), D)
    sizes = (effects / model.summary.scale).square().sum(dim=1)
    order = sizes.argsort(descending=True, stable=True).tolist()
    examples = [frequent[index] for index in order][:_EXAMPLES]
    with_class = [scene.clips_with(label) for label in examples]
    flips = [_flip(scene, int(c[0]), label) for c, label in zip(with_class, examples, strict=True)]
    samples = [_samples(scene, c, label) for c, label in zip(with_class, examples, strict=True)]
    difference = "present less absent"
    if task.one_class_per_clip:
        difference = "each class less the mean of all classes"
    head = (
        f"What a class adds to what is decoded: {difference}, z kept as inferred from the clip; "
        f"mean over {len(clips.x):,} test clips"
    )
    if len(frequent) < len(scene.classes):
        head += f"; the {len(frequent)} most frequent of {len(scene.classes)} classes"
    names = [scene.classes[label] for label in frequent]
    if model.epochs:
        head += "; in brackets the epochs that the classes' models are of"
        names = [f"{scene.classes[label]} ({model.epochs[label]})" for label in frequent]
    axis, value = scene.axis, scene.curve_value
    return draw_classes(
        names, scene.differences(effects), [flips, samples], axis.feature, value, head
    )


def _most_frequent(present: NDArray[np.bool_], most: int) -> list[int]:
    """Return the classes that occur most often, in the order of the classes."""
    return sorted(np.argsort(-present.sum(axis=0), kind="stable")[:most].tolist())


def _flip(scene: Scene, clip: int, label: int) -> Curves:
    """Show a clip, and its reconstructions with and without its class."""
    one = ShownClips(*(part[[clip]] for part in scene.clips))
    decoded = decoded_flipped(scene.model, one, label, scene.task)[:, 0]  # (K, D)
    if scene.task.one_class_per_clip:
        distances = ((decoded - decoded[label]) / scene.model.summary.scale).square().sum(dim=1)
        other = int(distances.argmax())
        pair = {f"as {scene.classes[label]}": label, f"as {scene.classes[other]}": other}
    else:
        pair = {"present": 1, "absent": 0}
    named = {name: scene.curve(decoded[index]) for name, index in pair.items()}
    title = f"{scene.classes[label]}: {scene.clip_ids[clip]}"
    return Curves(title, {"observed": scene.curve(scene.observed[clip]), **named})


def _samples(scene: Scene, with_class: NDArray[np.int64], label: int) -> Curves:
    """Show samples of a class, each with the other classes of a test clip that has it."""
    y = scene.clips.y[with_class[:_SAMPLES]]
    title = f"{scene.classes[label]}: {len(y)} samples, z from N(0, I)"
    mean = scene.curve(scene.observed[with_class].mean(dim=0))
    return Curves(
        title, {"mean of such test clips": mean}, scene.curve(sampled(scene.model, y, label))
    )


def samples_figure(scene: Scene) -> Figure:
    """Draw samples of each component of the prior beside test clips."""
    model = scene.model
    weights = model.prior.log_weights.exp()
    order = weights.argsort(descending=True, stable=True)[:_MOST_COMPONENTS].tolist()
    clips, means = scene.observed, scene.curve(component_means(model, scene.clips.y[:1]))
    mean = {"mean of all": scene.curve(clips.mean(dim=0))}
    panels = [Curves("test clips", mean, scene.curve(clips[:_SAMPLES]))]
    for k in order:
        samples = scene.curve(sampled(model, scene.clips.y[:1].expand(_SAMPLES, -1), 0, k))
        title = _component(scene, k, float(weights[k]))
        panels.append(Curves(title, {"decoded from its mean": means[k]}, samples))
    columns = min(_COLUMNS, len(panels))
    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    of = "" if len(weights) == 1 else "each component of "
    head = f"Test clips, and what {_SAMPLES} samples of {of}p(z) are decoded to"
    if len(order) < len(weights):
        head += f"; the {len(order)} most frequent of {len(weights)} components"
    return draw_samples(rows, scene.axis.feature, scene.curve_value, head)


def _component(scene: Scene, component: int, weight: float) -> str:
    if len(scene.model.prior.means) == 1:
        return "samples, z from N(0, I)"
    named = scene.model.components_are_classes
    name = scene.classes[component] if named else f"cluster {component}"
    return f"{name} ({100 * weight:.1f} % of p(z))"


def traversals_figure(scene: Scene) -> Figure:
    """Draw how features change with the latent variables that vary most."""
    model = scene.model
    moved = traversal(model, scene.clips, _MOVED, _STEPS)
    middle = moved.values[:, len(_STEPS) // 2, None]
    pairs = zip(moved.dimensions.tolist(), moved.spread.tolist(), strict=True)
    names = [f"z {dimension}\ns = {spread:.2f}" for dimension, spread in pairs]
    of = "F" if model.label is None else f"The model of {scene.classes[model.label]}: f"
    head = (
        f"{of}eatures less those in the middle, as a latent variable goes from -3 to 3 deviations "
        f"of p(z) and the others stay those of {scene.clip_ids[moved.clip]}; s is the deviation of "
        "its posterior means over test clips"
    )
    parts = scene.differences(moved.values - middle)
    return draw_traversals(names, floats(moved.steps), parts, scene.axis.feature, head)
