"""All measures of a latent space at once, and a metric that gathers what they are computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from musicssl.errors import InputError
from musicssl.evaluation.latents.estimators import Estimator, Floats
from musicssl.evaluation.latents.gaps import Dimensions, dlig, dmig, mig, modularity, xmig
from musicssl.evaluation.latents.information import (
    Bools,
    Information,
    is_discrete,
    measure_information,
)
from musicssl.evaluation.latents.order import interpretability, scc
from musicssl.evaluation.latents.separability import linear_scores, sap


@dataclass(frozen=True, eq=False)
class Measures:
    """The measures of a latent space; see `measure_latents`.

    Attributes:
        information: What they follow from.
        discrete: Which attributes take few values, (M).
        dimensions: The dimension d_i of each attribute, (M).
        regularised: Whether these were given, or else are those that tell most.
        of_attributes: "mig", "dmig", "xmig", "dlig", "sap", "scc" and "interpretability", (M,)
            each.
        modularity: Of each dimension, (D,).
    """

    information: Information
    discrete: Sequence[bool]
    dimensions: Dimensions
    regularised: bool
    of_attributes: Mapping[str, Floats]
    modularity: Floats

    def means(self) -> dict[str, float]:
        """Return the means over attributes, and of the modularity over the dimensions d_i.

        Names end in that of the estimator of mutual information, such as "mig_neighbours", because
        values by different estimators cannot be compared. "sap" and "scc" have none. NaN if there
        is nothing.
        """
        encoding = sorted({d for d in self.dimensions if d is not None})
        values = {**self.of_attributes, "modularity": self.modularity[encoding]}
        return {self.named(name): _mean(found) for name, found in values.items()}

    def named(self, name: str) -> str:
        """Return the name of a measure with that of the estimator."""
        return name if name in ("sap", "scc") else f"{name}_{self.information.estimator}"


def measure_latents(
    z: Floats,
    attributes: Floats,
    mask: Bools | None = None,
    discrete: Sequence[bool] | None = None,
    dimensions: Dimensions = (),
    estimator: Estimator | None = None,
) -> Measures:
    """Measure how well latent dimensions and attributes belong to each other.

    MIG, SAP, SCC and interpretability start from the dimension that tells most, or predicts best,
    whatever `dimensions` are, so that models with and without such dimensions can be compared.

    Args:
        z: Latent variables of clips, (N, D).
        attributes: (N, M).
        mask: True where observed, (N, M); None if all are.
        discrete: Which attributes take few values, (M); None for `is_discrete`.
        dimensions: The dimension that is meant to encode each attribute, (M), None for one without;
            empty for those that tell most. Latte would take dimension i for attribute i.
        estimator: Estimator of mutual information; None for `Neighbours`.

    Raises:
        InputError: See `measure_information`; or if dimensions do not fit.
    """
    kinds = is_discrete(attributes, mask) if discrete is None else list(discrete)
    information = measure_information(z, attributes, mask, kinds, estimator)
    regularised = any(d is not None for d in dimensions)
    telling = information.most_informative()
    chosen = list(dimensions) if regularised else telling
    _check_dimensions(chosen, z.shape[1], attributes.shape[1])
    of_attributes = {
        "mig": mig(information),
        "dmig": dmig(information, chosen),
        "xmig": xmig(information, chosen),
        "dlig": dlig(information, chosen),
        "sap": sap(linear_scores(z, attributes, mask, kinds)),
        "scc": scc(z, attributes, mask),
        "interpretability": interpretability(z, attributes, telling, mask),
    }
    return Measures(information, kinds, chosen, regularised, of_attributes, modularity(information))


class LatentMeasures(Metric):
    """Gather latent variables and attributes of clips, and measure all of them in the end.

    Args:
        dimensions: See `measure_latents`.
        discrete: As well.
        estimator: As well.
        settings: See `torchmetrics.Metric`.
    """

    full_state_update = False
    z: list[Tensor]
    attributes: list[Tensor]
    mask: list[Tensor]

    def __init__(
        self,
        dimensions: Dimensions = (),
        discrete: Sequence[bool] | None = None,
        estimator: Estimator | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.dimensions, self.discrete, self.estimator = dimensions, discrete, estimator
        for name in ("z", "attributes", "mask"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, z: Tensor, attributes: Tensor, mask: Tensor | None = None) -> None:
        """Keep latent variables, (B, D), and attributes of clips with their mask, (B, M)."""
        self.z.append(z.detach())
        self.attributes.append(attributes.detach())
        self.mask.append(torch.ones_like(attributes).bool() if mask is None else mask)

    def measures(self) -> Measures:
        """Return all measures of the clips so far."""
        z, attributes, mask = (
            dim_zero_cat(state).cpu().numpy() for state in (self.z, self.attributes, self.mask)
        )
        return measure_latents(z, attributes, mask, self.discrete, self.dimensions, self.estimator)

    def compute(self) -> dict[str, Tensor]:
        """Return the means of the measures; see `Measures.means`."""
        return {name: torch.tensor(value) for name, value in self.measures().means().items()}


def _mean(values: Floats) -> float:
    """Return the mean of the values that there are; NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _check_dimensions(dimensions: Dimensions, latent: int, attributes: int) -> None:
    if len(dimensions) != attributes:
        raise InputError(
            f"there are {attributes} attributes, but dimensions for {len(dimensions)}; give each "
            "its dimension, or None."
        )
    wrong = [d for d in dimensions if d is not None and not 0 <= d < latent]
    if wrong:
        raise InputError(f"there is no dimension {wrong[0]} of {latent}; they count from 0.")
