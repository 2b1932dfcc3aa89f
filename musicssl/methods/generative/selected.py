"""The weights of M stacked models, each as it was in its best epoch."""

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
    """Keep a copy of stacked modules: of each model, the weights with which it validated best.

    Every parameter of the modules has M as its first dimension. Copies, the values they were chosen
    by, and their epochs, from 0 (-1 while nothing was chosen), are part of the `state_dict`: a
    resumed run goes on selecting.

    Args:
        modules: What to copy, by name.
        num_models: M.
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
        """Copy those models that are better than ever.

        Args:
            modules: As they are now. What they share with the copies is not copied.
            values: Of each model, (M,), the less the better. A model of which that is not defined,
                NaN, is copied as long as it never was.
            epoch: That they were validated after.

        Returns:
            Which models were copied, (M,) bool.
        """
        values = values.to(self.best)
        taken = (values < self.best) | (values.isnan() & self.best.isinf())
        self.best.copy_(values.where(taken & ~values.isnan(), self.best))
        self.epochs[taken] = epoch
        now = nn.ModuleDict(modules).parameters()
        for kept, new in zip(self.copies.parameters(), now, strict=True):
            if kept is not new:
                kept[taken] = new[taken]
        return taken


def check_criterion(select: str, task: Task) -> None:
    """Make sure that models can be selected by a metric.

    Args:
        select: Its name, such as "val/loss".
        task: What the targets are.

    Raises:
        InputError: If there is none of that name.
    """
    known = ["val/loss", *(f"val/{name}" for name in _measured(task))]
    if select not in known:
        raise InputError(
            f"select={select} is not measured of each model; choose {', '.join(known)}."
        )


def values_of_models(
    select: str, logits: Tensor, targets: Tensor, mask: Tensor, task: Task
) -> Tensor:
    """Return how good each model is, the less the better: one for each class, or one for all.

    Args:
        select: What `check_criterion` accepts.
        logits: Of the validation clips, (N, C).
        targets: (N, C).
        mask: True where observed, (N, C).
        task: "multi_label", where each class has a model, or "multi_class".

    Returns:
        (C,) or (1,); NaN where a class was not observed as the metric needs it.
    """
    name = select.removeprefix("val/")
    if name == "loss" and not task.one_class_per_clip:
        return cell_losses(logits, targets, mask).sum(dim=0) / mask.sum(dim=0)
    if name == "loss":
        return task.loss(None)(logits, targets, mask).reshape(1)
    per_class, overall = task.metrics(task.scores(logits), targets, mask)
    values = torch.tensor([overall[name]]) if task.one_class_per_clip else per_class[name]
    return values if metric_info(name).smaller_is_better else -values


def _measured(task: Task) -> list[str]:
    """Name the metrics of a model."""
    one_clip = torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]), torch.ones(1, 2).bool()
    per_class, overall = task.metrics(*one_clip)
    names = overall if task.one_class_per_clip else per_class
    return [name for name in names if metric_info(name).kind != "count"]
