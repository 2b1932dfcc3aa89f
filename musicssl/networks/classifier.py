"""The classifier that the methods train: an encoder and a pooling."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from musicssl.batch import Batch, valid_instances
from musicssl.errors import InputError
from musicssl.networks.clip_regression import ClipRegression
from musicssl.networks.layers import explained_batch_norm
from musicssl.networks.pooling import Instances, Pooling, mean_over_time

READS_INSTANCES = (
    "the encoder reads instances, but the data are sound; choose features=log_mel, or an encoder "
    "of sound such as encoder=samplecnn."
)
READS_TOKENS = (
    "the network reads tokens, but the data are instances or sound; choose autoencoder=mlp, or a "
    "corpus of tokens, such as dataset=dmelodies."
)
TOKENS_AND_NOT = (
    "the data are tokens, but the network reads instances or sound; choose autoencoder=cnn or "
    "autoencoder=rnn, and a method that takes them, such as method=beta_vae."
)


class Classifier(nn.Module):
    """Predict the classes of a clip.

    Args:
        encoder: Builds the encoder from `num_features` and `num_instances`. An encoder maps
            instances, (B, T, F), or sound, (B, S), and the mask of valid instances or samples, or
            None, to embeddings, (B, T', D), and their mask; its attribute `embed_dim` is D. One
            that maps tokens, (B, T) int64, has an attribute `of_tokens` that is true.
        pooling: Builds the pooling from `embed_dim` and `num_classes`.
        num_features: Number of features of an instance, F.
        num_instances: Instances of the longest clip, T.
        num_classes: Number of classes, C.

    Attributes:
        builders: `encoder` and `pooling`, to build the same network again.
        regression: Model that shares in the predictions, if the pooling wants one and the encoder
            reads instances; otherwise None.
        num_classes: C.
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
        self.num_classes = num_classes
        self.encoder = encoder(num_features=num_features, num_instances=num_instances)
        self.pooling = pooling(embed_dim=self.encoder.embed_dim, num_classes=num_classes)
        even_at = getattr(self.pooling, "regression", 0.0)  # a pooling of your own may have none
        kinds = (getattr(self.encoder, name, False) for name in ("of_sound", "of_tokens"))
        wanted = even_at > 0 and not any(kinds)
        self.regression = ClipRegression(num_features, num_classes, even_at) if wanted else None

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits of the clips, (B, C)."""
        logits: Tensor = self.pooling(*self.embed(batch))
        return logits

    def predict(self, batch: Batch) -> Tensor:
        """Return the logits of the clips, (B, C), in which `regression` has its share."""
        if self.regression is None:
            logits: Tensor = self(batch)
            return logits
        return self.pooling.combine(self.instances(batch))

    def from_embeddings(self, h: Tensor, x: Tensor | None) -> tuple[Tensor, Instances]:
        """Return what `predict` and `instances` do, for clips that were embedded before.

        Args:
            h: Embeddings, (B, T', D), without padding.
            x: Instances that the encoder read, (B, T, F), or None if it reads sound.
        """
        return logits_of(self.pooling, self.regression, h, x)

    def clip_embeddings(self, batch: Batch) -> Tensor:
        """Return the mean embedding of each clip's valid instances, (B, D)."""
        return mean_over_time(*self.embed(batch))

    def with_clip_embeddings(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the logits of the clips, (B, C), and their mean embeddings, (B, D)."""
        embedded = self.embed(batch)
        logits: Tensor = self.pooling(*embedded)
        return logits, mean_over_time(*embedded)

    def with_stages(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """Return the logits of the clips, and the features of each stage of the encoder.

        An encoder with several stages has a method `with_stages`, as those of sound have: it
        returns what calling the encoder does, and a list of the same for each stage. Another
        encoder has one stage, its embedding.

        Returns:
            Logits, (B, C), and the mean of each stage's features over the valid instances of a
            clip, (B, D_s), from the first stage to the last.
        """
        if hasattr(self.encoder, "with_stages"):
            with explained_batch_norm():
                embedded, stages = self.encoder.with_stages(*self._input(batch))
        else:
            embedded = self.embed(batch)
            stages = [embedded]
        logits: Tensor = self.pooling(*embedded)
        return logits, [mean_over_time(*stage) for stage in stages]

    def instances(self, batch: Batch) -> Instances:
        """Return the logits and the weights of the instances, each (B, T', C).

        As in `predict`, `regression` has its share in the logits.
        """
        instances: Instances = self.pooling.instances(*self.embed(batch))
        if self.regression is None:
            return instances
        return self.regression.mixed_with(instances, *self._input(batch))

    def embed(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the embeddings of the instances, (B, T', D), and the mask of valid ones.

        The mask, (B, T') bool, is False for padding; None means that all are valid.

        Raises:
            InputError: If the clips are sound and the encoder is not for sound, or if a batch norm
                in training gets a single value of each feature.
        """
        with explained_batch_norm():
            embedding: tuple[Tensor, Tensor | None] = self.encoder(*self._input(batch))
        return embedding

    def check_input(self, is_sound: bool, is_tokens: bool = False) -> None:
        """Check that the encoder reads clips of this kind; others are instances.

        Raises:
            InputError: If it does not.
        """
        if is_tokens != getattr(self.encoder, "of_tokens", False):
            raise InputError(TOKENS_AND_NOT if is_tokens else READS_TOKENS)
        of_sound = getattr(self.encoder, "of_sound", False)
        if is_sound and not of_sound:
            raise InputError(READS_INSTANCES)
        if of_sound is True and not is_sound:
            name = type(self.encoder).__module__.rpartition(".")[2]  # as its configuration
            raise InputError(
                f"encoder={name} reads sound, but the data are instances; add features=waveform."
            )

    def _input(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the clips and the mask of what is no padding, for the encoder."""
        is_tokens = batch.is_tokens
        self.check_input(is_sound=batch.x.ndim == 2 and not is_tokens, is_tokens=is_tokens)
        valid = None if batch.lengths is None else valid_instances(batch.lengths, batch.x.shape[1])
        return batch.x, valid


def logits_of(
    pooling: Any, regression: ClipRegression | None, h: Tensor, x: Tensor | None
) -> tuple[Tensor, Instances]:
    """Return the logits of clips, (B, C), and their instances; see `Classifier.from_embeddings`."""
    instances: Instances = pooling.instances(h, None)
    if regression is None or x is None:
        return pooling(h, None), instances
    instances = regression.mixed_with(instances, x)
    return pooling.combine(instances), instances
