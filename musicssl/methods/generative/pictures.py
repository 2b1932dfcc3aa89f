"""Reconstructions, samples and traversals of a generative model, for figures.

Values are in the units of the clip's features. No function here uses a random generator of
training, and means do not depend on the order of the clips.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from musicssl.evaluation.tasks import Task
from musicssl.losses.vade import Mixture
from musicssl.methods.generative.joint import JointM2
from musicssl.methods.generative.latent_features import LatentFeatures
from musicssl.methods.generative.m2 import M2
from musicssl.methods.generative.selected import SelectedWeights
from musicssl.methods.generative.summary import ClipSummary
from musicssl.methods.generative.vae import Decoder, GaussianEncoder


@dataclass(frozen=True, eq=False)
class FeatureModel:
    """A model of clips by latent variables, in evaluation mode.

    Clips are summaries scaled by `summary`, (B, D). Their labels y, (B, C), are 1 for a class that
    is present and 0 for one that is not. `label` is the index of a class: if each class has its own
    model, that of this class is used.

    Attributes:
        summary: Features of a clip.
        prior: p(z), a single component if it is a Gaussian.
        inferred: Takes clips, y and a label, returns the mean of q(z|x, y), (B, Z).
        decoded: Takes latent variables, (B, Z), y and a label, returns the expected clips, (B, D).
        reads_classes: Whether the model depends on y.
        label: The class whose model is shown where only one is; None if there is only one model.
        components_are_classes: Whether component c of the prior is class c.
        epochs: Epochs after which the model of each class was kept, from 0; empty if there is only
            one model.
    """

    summary: ClipSummary
    prior: Mixture
    inferred: Callable[[Tensor, Tensor, int], Tensor]
    decoded: Callable[[Tensor, Tensor, int], Tensor]
    reads_classes: bool = True
    label: int | None = None
    components_are_classes: bool = False
    epochs: tuple[int, ...] = ()


@runtime_checkable
class ShowsFeatures(Protocol):
    """A method with a generative part, or that may have one."""

    def shown(self) -> FeatureModel | None:
        """Return the model for figures, with the selected weights; None if there is none."""


def shown_m2(
    generator: M2, summary: ClipSummary, task: Task, selected: SelectedWeights
) -> FeatureModel:
    """Return the model of the M2s of all labels, or of the single M2 of a multi-class task.

    Args:
        generator: The M2s, in evaluation mode.
        summary: Their features.
        task: Kind of the targets.
        selected: The best validation value of each model, and its epoch.
    """
    one_class = task.one_class_per_clip

    def of_label(y: Tensor, label: int) -> tuple[M2, Tensor]:
        if one_class:
            return generator, y.argmax(dim=1)[None]
        return _one_of(generator, label), (y[:, label] >= 0.5).long()[None]

    def inferred(x: Tensor, y: Tensor, label: int) -> Tensor:
        model, answer = of_label(y, label)
        return model.posterior(x[None], answer).mean[0]

    def decoded(z: Tensor, y: Tensor, label: int) -> Tensor:
        model, answer = of_label(y, label)
        return model.decode(z[None], answer)[0]

    prior = standard_normal(generator.latent_dim, selected.best.device)
    model = FeatureModel(summary, prior, inferred, decoded)
    if one_class:
        return model
    epochs = tuple(selected.epochs.tolist())
    return replace(model, label=int(selected.best.argmin()), epochs=epochs)


def shown_vae(encoder: GaussianEncoder, decoder: Decoder) -> FeatureModel:
    """Return the model of an autoencoder without classes, in evaluation mode."""
    return FeatureModel(
        encoder.summary,
        standard_normal(encoder.embed_dim, encoder.summary.shift.device),
        lambda x, y, label: encoder.posterior(x).mean,
        lambda z, y, label: decoder(z),
        reads_classes=False,
    )


def shown_stacked(model: FeatureModel, features: LatentFeatures, decoder: Decoder) -> FeatureModel:
    """Return a model of an autoencoder's latent variables as a model of its features.

    Args:
        model: Model of the means of q(z1|x).
        features: q(z1|x).
        decoder: p(x|z1), in evaluation mode.
    """
    encoder = features.encoder

    def inferred(x: Tensor, y: Tensor, label: int) -> Tensor:
        return model.inferred(features.kept(encoder.posterior(x).mean), y, label)

    def decoded(z: Tensor, y: Tensor, label: int) -> Tensor:
        expected: Tensor = decoder(model.decoded(z, y, label))
        return expected

    return replace(model, summary=encoder.summary, inferred=inferred, decoded=decoded)


def shown_joint(generator: JointM2, summary: ClipSummary) -> FeatureModel:
    """Return the model of a joint M2 of all labels, in evaluation mode."""
    return FeatureModel(
        summary,
        standard_normal(generator.latent_dim, summary.shift.device),
        lambda x, y, label: generator.posterior(x, y).mean,
        lambda z, y, label: generator.decode(z, y),
    )


def standard_normal(latent_dim: int, device: torch.device) -> Mixture:
    """Return N(0, I) as a mixture of one component."""
    zeros = torch.zeros(1, latent_dim, device=device)
    return Mixture(zeros[:, 0], zeros, zeros)


def _one_of(generator: M2, model: int) -> M2:
    """Return one of M models as a stack of one, which shares its weights."""
    parts: dict[int, Tensor] = {
        id(weights): nn.Parameter(weights.detach()[model : model + 1], requires_grad=False)
        for weights in generator.parameters()
    }
    parts[id(generator.log_prior)] = generator.log_prior[model : model + 1]
    return copy.deepcopy(generator, parts)  # uses the tensors in `parts` instead of copies


class ShownClips(NamedTuple):
    """Some clips with their labels.

    Attributes:
        x: Summaries scaled by the model's `summary`, (N, D).
        answers: Decisions of the classifier, 0 or 1, (N, C); the values of a regression.
        y: The targets where they were observed, otherwise the decisions, (N, C).
    """

    x: Tensor
    answers: Tensor
    y: Tensor


class Traversal(NamedTuple):
    """Decoded features of a clip while one latent variable at a time is moved.

    Attributes:
        dimensions: Indices of the latent variables, (K,).
        spread: Standard deviations of their posterior means over clips, (K,).
        steps: Distances from the mean of the prior, in its standard deviations, (S,).
        values: Decoded features, (K, S, D), in the units of the features.
        clip: Index of the clip whose other latent variables are used.
    """

    dimensions: Tensor
    spread: Tensor
    steps: Tensor
    values: Tensor
    clip: int


def decided(scores: Tensor, task: Task) -> Tensor:
    """Return decisions of 0 or 1 for scores, (N, C); in a regression the values."""
    if not task.has_classes:
        return scores
    if task.one_class_per_clip:
        return one_hot(scores.argmax(dim=1), scores.shape[1]).to(scores)
    return (scores >= 0.5).to(scores)


def reconstructed(model: FeatureModel, clips: ShownClips, label: int) -> Tensor:
    """Return clips decoded from the mean of q(z|x, y), where y are the decisions, (N, D)."""
    z = model.inferred(clips.x, clips.answers, label)
    return model.summary.unscaled(model.decoded(z, clips.answers, label))


def explained_share(model: FeatureModel, clips: ShownClips, expected: Tensor) -> float:
    """Return the share of the variance of clips that expected clips, (N, D), explain.

    It is 1 minus the mean squared error over the variance, with equal weight for all features. It
    is below 0 if the mean of all clips has a smaller error, and NaN if the clips do not differ.
    """
    scale = model.summary.scale
    observed = model.summary.unscaled(clips.x)
    error = ((observed - expected) / scale).double().square().sum()
    variance = ((observed - observed.mean(dim=0)) / scale).double().square().sum()
    return float(1 - error / variance)


def flipped(y: Tensor, label: int, task: Task) -> tuple[Tensor, ...]:
    """Return y with each value of one class, (N, C) each; the other classes do not change.

    The values are absent and present; in a multi-class task, they are all the classes.
    """
    if task.one_class_per_clip:
        return tuple(one.expand(len(y), -1) for one in torch.eye(y.shape[1]).to(y))
    absent, present = y.clone(), y.clone()
    absent[:, label], present[:, label] = 0, 1
    return absent, present


def decoded_flipped(model: FeatureModel, clips: ShownClips, label: int, task: Task) -> Tensor:
    """Return clips decoded with each value of a class and the z of their own y, (K, N, D)."""
    z = model.inferred(clips.x, clips.y, label)
    answers = flipped(clips.y, label, task)
    return model.summary.unscaled(torch.stack([model.decoded(z, y, label) for y in answers]))


def added(model: FeatureModel, clips: ShownClips, labels: Sequence[int], task: Task) -> Tensor:
    """Return the mean effect of each class on decoded clips, (len(labels), D).

    That is present minus absent; in a multi-class task, the class minus the mean of all classes.
    """
    if task.one_class_per_clip:
        decoded = decoded_flipped(model, clips, 0, task).mean(dim=1)  # (C, D)
        return (decoded - decoded.mean(dim=0))[list(labels)]
    differences = []
    for label in labels:
        absent, present = decoded_flipped(model, clips, label, task)
        differences.append((present - absent).mean(dim=0))
    return torch.stack(differences)


def sampled(model: FeatureModel, y: Tensor, label: int, component: int = 0) -> Tensor:
    """Return clips decoded from samples of a component of the prior, with a fixed seed.

    Args:
        model: The model.
        y: Labels of each clip, (N, C).
        label: See `FeatureModel`.
        component: Index of the component.

    Returns:
        (N, D), in the units of the features.
    """
    mean, log_variance = model.prior.means[component], model.prior.log_variances[component]
    noise = torch.randn(len(y), len(mean), generator=torch.Generator().manual_seed(component))
    z = mean + (0.5 * log_variance).exp() * noise.to(mean)
    return model.summary.unscaled(model.decoded(z, y, label))


def component_means(model: FeatureModel, y: Tensor) -> Tensor:
    """Return clips decoded from the means of the prior's components, (K, D).

    Args:
        model: A model that does not read classes.
        y: Labels of any clip, (1, C).
    """
    means = model.prior.means
    return model.summary.unscaled(model.decoded(means, y.expand(len(means), -1), 0))


def traversal(model: FeatureModel, clips: ShownClips, count: int, steps: Tensor) -> Traversal:
    """Move the latent variables whose posterior means vary most over clips, one at a time.

    Args:
        model: The model; if there are several, that of `model.label`.
        clips: The clips. The latent variables that are not moved are those of the clip closest to
            the mean of all clips.
        count: Number of latent variables to move, or all if there are fewer.
        steps: Distances from the mean of the prior, (S,); see `Traversal`.
    """
    label = model.label or 0
    z = model.inferred(clips.x, clips.y, label)  # (N, Z)
    spread = z.std(dim=0, correction=0)
    dimensions = spread.argsort(descending=True, stable=True)[:count]  # (K,)
    clip = int((z - z.mean(dim=0)).square().sum(dim=1).argmin())
    steps = steps.to(z)
    mean, deviation = _moments(model.prior)
    points = z[clip].repeat(len(dimensions), len(steps), 1)  # (K, S, Z)
    for moved, dimension in zip(points, dimensions.tolist(), strict=True):
        moved[:, dimension] = mean[dimension] + steps * deviation[dimension]
    flat = points.flatten(0, 1)
    decoded = model.decoded(flat, clips.y[clip].expand(len(flat), -1), label)
    values = model.summary.unscaled(decoded).view(*points.shape[:2], -1)
    return Traversal(dimensions, spread[dimensions], steps, values, clip)


def _moments(prior: Mixture) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each latent variable, (Z,)."""
    weights = prior.log_weights.exp()
    mean = weights @ prior.means
    variance = weights @ (prior.log_variances.exp() + (prior.means - mean).square())
    return mean, variance.sqrt()
