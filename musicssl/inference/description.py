"""What a predicting network is made of: parts, classes, input. Enough to build it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.decisions import Decisions
from musicssl.evaluation.scores import SCORES
from musicssl.inference.parts import built
from musicssl.networks.classifier import Classifier
from musicssl.runs.trust import FEATURE_PARTS, NETWORK_PARTS

_SIZES = ("num_features", "num_instances", "num_classes")


@dataclass(frozen=True, eq=False)
class Description:
    """A trained network, its input and its output, as plain values and weights.

    Attributes:
        path: Path of the file or folder that it was read from.
        encoder: Settings of the encoder; see `musicssl.inference.parts.built`.
        pooling: Settings of the pooling.
        features: Settings of what turns audio into the input of the encoder.
        sizes: `num_features`, `num_instances` and `num_classes`.
        task: Kind of the targets.
        classes: Their names, in column order.
        weights: The state of the network.
        decisions: Thresholds and temperatures from validation, if there are any.
        origin: What is known of the run: plain values, for the model card.
    """

    path: Path
    encoder: Any
    pooling: Any
    features: Any
    sizes: Mapping[str, int]
    task: str
    classes: tuple[str, ...]
    weights: Mapping[str, Tensor]
    decisions: Decisions | None
    origin: Mapping[str, Any]

    def network(self, trusted: Sequence[str] = ()) -> Classifier:
        """Build the network with its weights, in evaluation mode on the CPU.

        Args:
            trusted: Further packages or modules that parts may come from.

        Raises:
            InputError: If the parts cannot be built, or the weights are of others.
        """
        self._check()
        allowed = (*NETWORK_PARTS, *trusted)
        encoder, pooling = (built(s, allowed, self.path) for s in (self.encoder, self.pooling))
        try:
            network = Classifier(encoder, pooling, *(self.sizes[name] for name in _SIZES))
            network.load_state_dict(dict(self.weights))
        except InputError:
            raise
        except Exception as error:  # foreign settings: a part raises whatever it stumbles over
            raise InputError(
                f"{self.path} holds weights that are not those of the network that its settings "
                "build; use another copy, or train it again."
            ) from error
        return network.eval().requires_grad_(False)

    def input(self, trusted: Sequence[str] = ()) -> Any:
        """Build what turns audio into instances, or says at which rate sound is read.

        Raises:
            InputError: If it cannot be built.
        """
        return built(self.features, (*FEATURE_PARTS, *trusted), self.path)

    def _check(self) -> None:
        sizes_known = all(type(self.sizes.get(name)) is int for name in _SIZES)
        if self.task not in SCORES or not sizes_known:
            raise InputError(f"{self.path} does not say its sizes or its task; use another copy.")
        if self.sizes["num_classes"] != len(self.classes):
            raise InputError(
                f"{self.path} names {len(self.classes)} classes, but its network has "
                f"{self.sizes['num_classes']}; use another copy."
            )
