"""The weights of M stacked models, each from its own best epoch."""

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from musicssl.errors import InputError
from musicssl.evaluation.metrics import metric_info
from musicssl.evaluation.tasks import Task
from musicssl.losses.masked_bce import cell_losses


class SelectedWeights(nn.Module):
    """A copy of stacked modules in which each model has the weights of its best validation.

    Every parameter of the modules has M as its first dimension. The copies, the values by which
    they were selected, and their epochs, from 0 (-1 before the first selection), are part of the
    `state_dict`, so that a resumed run continues the selection.

    Args:
        modules: Modules to copy, by name.
        num_models: Number of models, M.
    """

    best: Tensor
    epochs: Tensor

    def __init__(self, modules: Mapping[str, nn.Module], num_models: int) -> None:
        super().__init__()
        self.copies = copy.deepcopy(nn.ModuleDict(modules)).requires_grad_(False)
        self.register_buffer("best", torch.full((num_models,), math.inf))
        self.register_buffer("epochs", torch.full((num_models,), -1, dtype=torch.int64))

    @torch.no_grad()
    def take(self, modules: Mapping[str, nn.Module], values: Tensor, epoch: int = 0) -> Tensor:
        """Copy the models that have improved.

        Args:
            modules: The modules with their latest weights. Parameters that are shared with the
                copies are not copied.
            values: Validation value of each model, (M,); smaller is better. A model with an
                undefined value, NaN, is copied only until the first defined value.
            epoch: The epoch after which they were validated.

        Returns:
            Which models were copied, (M,) bool.
        """
        values = values.to(self.best)
        taken = (values < self.best) | (values.isnan() & self.best.isinf())
        self.best.copy_(values.where(taken & ~values.isnan(), self.best))
        self.epochs[taken] = epoch
        latest = nn.ModuleDict(modules).parameters()
        for selected, new in zip(self.copies.parameters(), latest, strict=True):
            if selected is not new:
                selected[taken] = new[taken]
        return taken


def check_criterion(select: str, task: Task) -> None:
    """Check that models can be selected by a metric.

    Args:
        select: Name of the metric, such as "val/loss".
        task: Kind of the targets.

    Raises:
        InputError: If there is no such metric.
    """
    choices = ["val/loss", *(f"val/{name}" for name in _measured(task))]
    if select not in choices:
        raise InputError(
            f"select={select} is not measured for each model; choose {', '.join(choices)}."
        )


def values_of_models(
    select: str, logits: Tensor, targets: Tensor, mask: Tensor, task: Task
) -> Tensor:
    """Return a value for each model by which to select it; smaller is better.

    Args:
        select: A name that `check_criterion` accepts.
        logits: Logits of the validation clips, (N, C).
        targets: (N, C).
        mask: True where observed, (N, C).
        task: "multi_label", where each class has a model, or "multi_class".

    Returns:
        (C,) or (1,); NaN if the metric is undefined.
    """
    name = select.removeprefix("val/")
    if name == "loss" and not task.one_class_per_clip:
        return cell_losses(logits, targets, mask).sum(dim=0) / mask.sum(dim=0)
    if name == "loss":
        return task.loss(None)(logits, targets, mask).reshape(1)
    scores, log_odds = task.scores(logits), task.log_odds(logits)
    per_class, overall = task.metrics(scores, targets, mask, log_odds)
    values = torch.tensor([overall[name]]) if task.one_class_per_clip else per_class[name]
    return values if metric_info(name).smaller_is_better else -values


def _measured(task: Task) -> list[str]:
    """Return the names of the metrics of a model."""
    one_clip = torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]), torch.ones(1, 2).bool()
    per_class, overall = task.metrics(*one_clip)
    names = overall if task.one_class_per_clip else per_class
    return [name for name in names if metric_info(name).kind != "count"]
