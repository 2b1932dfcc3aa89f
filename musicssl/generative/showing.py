"""What the pictures of a generative model ask of it, whatever it is made of."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from musicssl.evaluation.tasks import Task
from musicssl.generative.clip_summary import ClipSummary
from musicssl.generative.joint import JointM2
from musicssl.generative.latent_features import LatentFeatures
from musicssl.generative.m2 import M2
from musicssl.generative.selected import SelectedWeights
from musicssl.generative.vae import Decoder, GaussianEncoder
from musicssl.losses.vade import Mixture


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
    one_class = task.name == "multi_class"

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
