"""The interface of methods with latent variables, which measures and pictures of them read."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from musicssl.batch import Batch


@runtime_checkable
class LatentSpace(Protocol):
    """A method that encodes clips as D latent variables, and decodes these again."""

    @property
    def attribute_dimensions(self) -> Sequence[int | None]:
        """The dimension that is regularised for each attribute of the corpus.

        None for an attribute without one; empty for a method that regularises none.
        """

    def latent_means(self, batch: Batch) -> Tensor:
        """Return the means of q(z|x) as in evaluation, without gradient, (N, D).

        Args:
            batch: A batch on any device.
        """

    def decode_latents(self, z: Tensor) -> Tensor:
        """Return what latent variables are decoded to, without gradient, (N, D) -> (N, ...).

        Features are the mean of p(x|z) in the units of the corpus, (N, F'); tokens are the most
        probable ones, (N, T) int64.
        """
