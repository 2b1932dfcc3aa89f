"""Training steps of several runs: as one batched model, or one run after the other."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from musicssl.augment.chain import Chain, Transform
from musicssl.augment.mixing.mixing import NoMixing
from musicssl.batch import Batch
from musicssl.methods.base.stackable import StackableMethod
from musicssl.networks.clip_regression import ClipRegression
from musicssl.networks.layers import Dropout, DropoutOfRuns
from musicssl.networks.standardise import Standardise
from musicssl.runs.stacked.run import StackedRun, StepInput
from musicssl.seeding import seed_generators

_LAYERS = (  # what `torch.vmap` can do, with random numbers of each run
    *(nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.LeakyReLU, nn.Identity),
    *(Dropout, Standardise, ClipRegression),
)


class SingleSteps:
    """Step one run after the other.

    Args:
        runs: To be trained.
    """

    def __init__(self, runs: Sequence[StackedRun]) -> None:
        self.runs = runs

    def take(self, count: int) -> None:
        """Train each run on its next batches.

        A run takes all its steps before the next one begins: what it works on stays in the cache.
        """
        for run in self.runs:
            for _ in range(count):
                self._step(run)

    def _step(self, run: StackedRun) -> None:
        batch, weight, seed = run.next_input()
        method = run.method
        seed_generators(seed, method.device)
        with run.trainer.precision_plugin.train_step_context():
            terms = method.terms(batch.to(method.device), weight)
        method.record(**terms)
        run.optimizer.zero_grad()
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        run.step()

    def close(self) -> None:
        """Do nothing: no memory is held between steps."""


class BatchedSteps:
    """Step all runs at once: the parameters of all are stacked, and `torch.vmap` runs the method.

    Until `close` is called, the parameters and buffers of each run are views of the stacked ones,
    so that each optimizer steps on its own with its own settings, and what a step does to one is
    done to the other. The loss of a run has no part in the gradients of another.

    Args:
        runs: To be trained; `can_be_batched` says of which.
    """

    def __init__(self, runs: Sequence[StackedRun]) -> None:
        self.runs = runs
        self._methods = [run.method for run in runs]
        self._device = self._methods[0].device
        self._generators = [torch.Generator(self._device) for _ in runs]
        self._parameters = [dict(method.named_parameters()) for method in self._methods]
        buffers = [dict(method.named_buffers()) for method in self._methods]
        self._tensors = [p | b for p, b in zip(self._parameters, buffers, strict=True)]
        self._state = {name: self._stacked(name) for name in self._tensors[0]}
        self._trained = [name for name, value in self._state.items() if value.requires_grad]
        self._terms = torch.vmap(self._terms_of_run)
        self._template = _Terms(self._methods[0])
        self._draw_by_run()

    def _stacked(self, name: str) -> Tensor:
        """Stack a tensor of all runs, and make those of the runs views of it."""
        own = [tensors[name] for tensors in self._tensors]
        stacked = torch.stack([tensor.detach() for tensor in own])
        for tensor, part in zip(own, stacked.unbind(), strict=True):
            tensor.data = part
        return stacked.requires_grad_(own[0].requires_grad)

    def _draw_by_run(self) -> None:
        layers = [
            [m for m in method.modules() if isinstance(m, Dropout)] for method in self._methods
        ]
        self._dropout = layers[0]
        for same in zip(*layers, strict=True):
            same[0].of_runs = DropoutOfRuns([layer.p for layer in same], self._generators)

    def _terms_of_run(
        self, state: dict[str, Tensor], fields: dict[str, Tensor], weight: Tensor
    ) -> dict[str, Tensor]:
        named = {f"method.{name}": value for name, value in state.items()}
        terms: dict[str, Tensor] = functional_call(self._template, named, (fields, weight))
        return terms

    def take(self, count: int) -> None:
        """Train all runs, each on its next batches."""
        for _ in range(count):
            self._step()

    def _step(self) -> None:
        inputs = [run.next_input() for run in self.runs]
        for generator, given in zip(self._generators, inputs, strict=True):
            generator.manual_seed(given.seed)
        weights = torch.tensor([given.weight for given in inputs], device=self._device)
        with self.runs[0].trainer.precision_plugin.train_step_context():
            terms = self._terms(self._state, self._joined(inputs), weights)
        terms["loss"].sum().backward()  # type: ignore[no-untyped-call]
        self._hand_out_gradients()
        for number, run in enumerate(self.runs):
            run.method.record(**{name: values[number] for name, values in terms.items()})
            run.step()

    def _joined(self, inputs: Sequence[StepInput]) -> dict[str, Tensor]:
        """Join the batches of all runs, field by field, (runs, B, ...), on the device."""
        fields: dict[str, Tensor] = {}
        for name in ("x", "y", "mask"):
            parts = [getattr(given.batch, name) for given in inputs]
            fields[name] = torch.stack(parts).to(self._device, non_blocking=True)
        return fields

    def _hand_out_gradients(self) -> None:
        for name in self._trained:
            stacked = self._state[name]
            assert stacked.grad is not None
            for own, gradient in zip(self._parameters, stacked.grad.unbind(), strict=True):
                own[name].grad = gradient
            stacked.grad = None

    def close(self) -> None:
        """Give each run tensors of its own again."""
        for layer in self._dropout:
            layer.of_runs = None
        for tensors, parameters in zip(self._tensors, self._parameters, strict=True):
            for tensor in tensors.values():
                tensor.data = tensor.data.clone()
            for parameter in parameters.values():
                parameter.grad = None


class _Terms(nn.Module):
    """The loss of a method as the forward of a module, for `functional_call`."""

    def __init__(self, method: StackableMethod) -> None:
        super().__init__()
        self.method = method

    def forward(self, fields: dict[str, Tensor], weight: Tensor) -> dict[str, Tensor]:
        return self.method.terms(Batch(**fields), weight)


def can_be_batched(method: StackableMethod, data: Any) -> bool:
    """Whether runs of a method can be one batched model.

    Args:
        method: Method of a run; the others differ from it in numbers alone.
        data: Its data module.
    """
    network = [*method.classifier.modules()]
    layers = [module for module in network if not [*module.children()]]
    others = [module for module in network if [*module.children()]]
    views = getattr(method, "views", None)
    return (
        all(isinstance(layer, _LAYERS) for layer in layers)
        and all(type(m).__module__.partition(".")[0] in ("musicssl", "torch") for m in others)
        and isinstance(getattr(method, "mixing", NoMixing()), NoMixing)
        and (views is None or (_unchanged(views.student) and _unchanged(views.target)))
        and getattr(method, "joint_batch_norm", True)
        and all(corpus.lengths is None for corpus in data.corpora)
    )


def _unchanged(view: Transform) -> bool:
    return isinstance(view, Chain) and not view.transforms
