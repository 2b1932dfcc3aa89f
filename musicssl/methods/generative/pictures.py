"""What a generative model shows in pictures: reconstructions, samples and traversals.

Values are in the units of the clip's features. Nothing here draws from a generator that training
uses, and the order of the clips does not change the means.
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

    Clips are summaries as `summary` scales them, (B, D). What is said of them is y, (B, C), 1 for
    a class that is present and 0 for one that is not. `label` names a class: where each has a model
    of its own, it is that one which answers.

    Attributes:
        summary: What of a clip is explained.
        prior: p(z), a single component if it is a Gaussian.
        inferred: Takes clips, y and a label to the mean of q(z|x, y), (B, Z).
        decoded: Takes latent variables, (B, Z), y and a label to the expected clips, (B, D).
        reads_classes: Whether y makes any difference.
        label: The class whose model is to be shown where one has to do; None if there is but one.
        components_are_classes: Whether component c of the prior is class c.
        epochs: After which each class's own model was kept, from 0; empty where there is but one.
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
        """Return what pictures are to show, with the selected weights; None if there is nothing."""


def shown_m2(
    generator: M2, summary: ClipSummary, task: Task, selected: SelectedWeights
) -> FeatureModel:
    """Show the M2s of all labels, or the one of all classes where a clip has one class.

    Args:
        generator: In evaluation mode.
        summary: What it explains.
        task: What the targets are.
        selected: How good each model is, and since when.
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
    """Show an autoencoder, in evaluation mode, that knows nothing of classes."""
    return FeatureModel(
        encoder.summary,
        standard_normal(encoder.embed_dim, encoder.summary.shift.device),
        lambda x, y, label: encoder.posterior(x).mean,
        lambda z, y, label: decoder(z),
        reads_classes=False,
    )


def shown_stacked(model: FeatureModel, features: LatentFeatures, decoder: Decoder) -> FeatureModel:
    """Show a model of an autoencoder's latent variables as one of what these explain.

    Args:
        model: Of the means of q(z1|x).
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
    """Show an M2 of all labels together, in evaluation mode."""
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
    """Return one of M models as a stack of one; the weights are the same and not copied."""
    parts: dict[int, Tensor] = {
        id(weights): nn.Parameter(weights.detach()[model : model + 1], requires_grad=False)
        for weights in generator.parameters()
    }
    parts[id(generator.log_prior)] = generator.log_prior[model : model + 1]
    return copy.deepcopy(generator, parts)  # which takes from `parts` what it finds there


class ShownClips(NamedTuple):
    """Some clips and what is said of them.

    Attributes:
        x: Summaries as the model's `summary` scales them, (N, D).
        answers: What the classifier says of each class, 0 or 1, (N, C); the values of a regression.
        y: The targets where they were observed, and elsewhere these answers, (N, C).
    """

    x: Tensor
    answers: Tensor
    y: Tensor


class Traversal(NamedTuple):
    """What becomes of a clip if one latent variable is moved.

    Attributes:
        dimensions: Which latent variables, (K,).
        spread: Standard deviations of their posterior means over clips, (K,).
        steps: How far from the mean of the prior they are put, in its standard deviations, (S,).
        values: (K, S, D), in the units of the features.
        clip: The clip whose other latent variables they go with.
    """

    dimensions: Tensor
    spread: Tensor
    steps: Tensor
    values: Tensor
    clip: int


def decided(scores: Tensor, task: Task) -> Tensor:
    """Return answers of 0 or 1 for scores, (N, C); those of a regression are the values."""
    if not task.has_classes:
        return scores
    if task.one_class_per_clip:
        return one_hot(scores.argmax(dim=1), scores.shape[1]).to(scores)
    return (scores >= 0.5).to(scores)


def reconstructed(model: FeatureModel, clips: ShownClips, label: int) -> Tensor:
    """Return what is decoded from the mean of q(z|x, y), y as answered, (N, D)."""
    z = model.inferred(clips.x, clips.answers, label)
    return model.summary.unscaled(model.decoded(z, clips.answers, label))


def explained_share(model: FeatureModel, clips: ShownClips, expected: Tensor) -> float:
    """Return which share of the variance of clips is explained by others, (N, D), in their place.

    It is 1 less the mean squared error over the variance, all features counting alike, and below 0
    where the mean of all clips would be closer; NaN if the clips do not differ.
    """
    scale = model.summary.scale
    observed = model.summary.unscaled(clips.x)
    error = ((observed - expected) / scale).double().square().sum()
    variance = ((observed - observed.mean(dim=0)) / scale).double().square().sum()
    return float(1 - error / variance)


def flipped(y: Tensor, label: int, task: Task) -> tuple[Tensor, ...]:
    """Return y with every answer about one class in turn, each (N, C), and the rest kept.

    These are absent and present; where a clip has one class, they are all the classes.
    """
    if task.one_class_per_clip:
        return tuple(one.expand(len(y), -1) for one in torch.eye(y.shape[1]).to(y))
    absent, present = y.clone(), y.clone()
    absent[:, label], present[:, label] = 0, 1
    return absent, present


def decoded_flipped(model: FeatureModel, clips: ShownClips, label: int, task: Task) -> Tensor:
    """Return clips decoded with every answer, their z being that of their own y: (K, N, D)."""
    z = model.inferred(clips.x, clips.y, label)
    answers = flipped(clips.y, label, task)
    return model.summary.unscaled(torch.stack([model.decoded(z, y, label) for y in answers]))


def added(model: FeatureModel, clips: ShownClips, labels: Sequence[int], task: Task) -> Tensor:
    """Return what classes add to clips of which all else is kept, in the mean, (len(labels), D).

    That is present less absent; where a clip has one class, a class less the mean of all.
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
    """Return clips decoded from z that are drawn, always the same, from a component of the prior.

    Args:
        model: The model.
        y: What is said of each clip, (N, C).
        label: See `FeatureModel`.
        component: Of the prior.

    Returns:
        (N, D), in the units of the features.
    """
    mean, log_variance = model.prior.means[component], model.prior.log_variances[component]
    noise = torch.randn(len(y), len(mean), generator=torch.Generator().manual_seed(component))
    z = mean + (0.5 * log_variance).exp() * noise.to(mean)
    return model.summary.unscaled(model.decoded(z, y, label))


def component_means(model: FeatureModel, y: Tensor) -> Tensor:
    """Return what the means of the prior's components decode to, (K, D).

    Args:
        model: That does not read classes.
        y: Of any clip, (1, C).
    """
    means = model.prior.means
    return model.summary.unscaled(model.decoded(means, y.expand(len(means), -1), 0))


def traversal(model: FeatureModel, clips: ShownClips, count: int, steps: Tensor) -> Traversal:
    """Move those latent variables, one at a time, whose posterior means vary most over clips.

    Args:
        model: The model; of several, that of `model.label`.
        clips: The clips. The others of their latent variables are those of the one clip that is
            closest to the mean of all.
        count: Latent variables to move, or all if there are fewer.
        steps: (S,); see `Traversal`.
    """
    label = model.label or 0
    z = model.inferred(clips.x, clips.y, label)  # (N, Z)
    spread = z.std(dim=0, correction=0)
    dimensions = spread.argsort(descending=True, stable=True)[:count]  # (K,)
    clip = int((z - z.mean(dim=0)).square().sum(dim=1).argmin())
    steps = steps.to(z)
    mean, deviation = _moments(model.prior)
    places = z[clip].repeat(len(dimensions), len(steps), 1)  # (K, S, Z)
    for moved, dimension in zip(places, dimensions.tolist(), strict=True):
        moved[:, dimension] = mean[dimension] + steps * deviation[dimension]
    flat = places.flatten(0, 1)
    decoded = model.decoded(flat, clips.y[clip].expand(len(flat), -1), label)
    values = model.summary.unscaled(decoded).view(*places.shape[:2], -1)
    return Traversal(dimensions, spread[dimensions], steps, values, clip)


def _moments(prior: Mixture) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each latent variable, (Z,)."""
    weights = prior.log_weights.exp()
    mean = weights @ prior.means
    variance = weights @ (prior.log_variances.exp() + (prior.means - mean).square())
    return mean, variance.sqrt()
