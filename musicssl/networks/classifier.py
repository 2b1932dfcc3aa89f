"""The classifier that the methods train: an encoder and a pooling."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from musicssl.batch import Batch, valid_instances
from musicssl.errors import InputError
from musicssl.networks.layers import explained_batch_norm
from musicssl.networks.pooling import Instances, Pooling

READS_INSTANCES = (
    "the encoder reads instances, but the data are sound; choose features=log_mel, or an encoder "
    "of sound such as encoder=samplecnn."
)


class Classifier(nn.Module):
    """Predict the classes of a clip.

    Args:
        encoder: Builds the encoder from `num_features` and `num_instances`. An encoder maps
            instances, (B, T, F), or sound, (B, S), and the mask of valid instances or samples, or
            None, to embeddings, (B, T', D), and their mask; its attribute `embed_dim` is D.
        pooling: Builds the pooling from `embed_dim` and `num_classes`.
        num_features: Number of features of an instance, F.
        num_instances: Instances of the longest clip, T.
        num_classes: Number of classes, C.

    Attributes:
        builders: `encoder` and `pooling`, to build the same network again.
    """

    def __init__(
        self,
        encoder: Callable[..., Any],
        pooling: Callable[..., Pooling],
        num_features: int,
        num_instances: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.builders = (encoder, pooling)
        self.encoder = encoder(num_features=num_features, num_instances=num_instances)
        self.pooling = pooling(embed_dim=self.encoder.embed_dim, num_classes=num_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits of the clips, (B, C)."""
        logits: Tensor = self.pooling(*self.embed(batch))
        return logits

    def clip_embeddings(self, batch: Batch) -> Tensor:
        """Return the mean embedding of each clip's valid instances, (B, D)."""
        h, valid = self.embed(batch)  # (B, T', D)
        if valid is None:
            return h.mean(dim=1)
        return h.where(valid[..., None], 0).sum(dim=1) / valid.sum(dim=1, keepdim=True)

    def instances(self, batch: Batch) -> Instances:
        """Return the logits and the weights of the instances, each (B, T', C)."""
        instances: Instances = self.pooling.instances(*self.embed(batch))
        return instances

    def embed(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the embeddings of the instances, (B, T', D), and the mask of valid ones.

        The mask, (B, T') bool, is False for padding; None means that all are valid.

        Raises:
            InputError: If the clips are sound and the encoder is not for sound, or if a batch norm
                in training gets a single value of each feature.
        """
        if batch.x.ndim == 2 and not getattr(self.encoder, "of_sound", False):
            raise InputError(READS_INSTANCES)
        valid = None if batch.lengths is None else valid_instances(batch.lengths, batch.x.shape[1])
        with explained_batch_norm():
            embedding: tuple[Tensor, Tensor | None] = self.encoder(batch.x, valid)
        return embedding
