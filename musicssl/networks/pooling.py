"""Multi-instance pooling: from the instances of a clip to the logits of the clip.

Every pooling classifies instances and gives each instance a weight for each class; the weights of a
clip sum to one. `instances` returns both, for timelines and for localisation in time; calling the
pooling returns the logits of the clip. B clips, T instances, D dimensions of an embedding, C
classes. `valid`, (B, T) bool, marks the instances that are not padding; None means all.

Beside an instance, the classifier can read statistics of the whole clip: see `ClipStatistics`.

Where a source averages probabilities, as ATT does, we return the exact logit of that average,
computed with log-sum-exp: no clamp stops a gradient, and every loss can take logits.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from musicssl.errors import InputError

_LEAST_VARIANCE = 1e-12


class Instances(NamedTuple):
    """The logits and the weights of instances.

    Attributes:
        logits: Logit of each class in each instance, (B, T, C).
        log_weights: Logarithm of the weight of each instance in the clip's decision, (B, T, C);
            minus infinity for padding.
    """

    logits: Tensor
    log_weights: Tensor


class Pooling(nn.Module, ABC):
    """A linear classifier of instances, and a rule to combine its logits.

    Args:
        embed_dim: Width of an embedding, D.
        num_classes: Number of classes, C.
        start: Weights of the classifier before training: "random", or "prior", for which a method
            calls `start_at` with the class frequencies of its training labels.
        correlated: Whether the logits of a clip pass a `ClassCorrelation`.
        statistics: Weight of `ClipStatistics` in the logits of instances; 0 for none.
        regression: `even_at` of the `musicssl.networks.clip_regression.ClipRegression` that shares
            in the predictions of a `Classifier` with this pooling; 0 for none.

    Raises:
        InputError: If `start` is neither, or `statistics` or `regression` is negative.
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        start: str = "random",
        correlated: bool = False,
        statistics: float = 0.0,
        regression: float = 0.0,
    ) -> None:
        super().__init__()
        if start not in ("random", "prior"):
            raise InputError(f"pooling.start must be prior or random, got {start}.")
        if not statistics >= 0:
            raise InputError(f"pooling.statistics must be 0 or more, got {statistics:g}.")
        if not 0 <= regression < math.inf:
            raise InputError(f"pooling.regression must be 0 or more, got {regression:g}.")
        self.start = start
        self.regression = regression
        self.statistics = ClipStatistics(embed_dim, num_classes, statistics) if statistics else None
        self.classifier = _linear(embed_dim, num_classes)
        self.correlation = ClassCorrelation(num_classes) if correlated else nn.Identity()

    def start_at(self, log_odds: Tensor) -> None:
        """Answer the same for every clip: weights of 0, and these biases.

        With few labelled clips and many features, most directions of random weights are never
        trained, and add noise to the answers. The idea to start at the class frequencies is from
        Lin et al. 2017, https://arxiv.org/abs/1708.02002, section 3.3.

        Args:
            log_odds: Logit of each class, (C,).
        """
        with torch.no_grad():
            self.classifier.weight.zero_()
            self.classifier.bias.copy_(log_odds)

    def forward(self, h: Tensor, valid: Tensor | None = None) -> Tensor:
        """Map embeddings, (B, T, D), to the logits of the clips, (B, C)."""
        return self.combine(self.instances(h, valid))

    @abstractmethod
    def instances(self, h: Tensor, valid: Tensor | None = None) -> Instances:
        """Classify and weigh each instance."""

    def classify(self, h: Tensor, valid: Tensor | None) -> Tensor:
        """Return the logits of instances, (B, T, C), with those of the statistics of their clip."""
        logits: Tensor = self.classifier(h)
        if self.statistics is not None:
            logits = logits + self.statistics(h, valid)[:, None]
        return logits

    def combine(self, instances: Instances) -> Tensor:
        """Return the logits of the clips, (B, T, C) -> (B, C)."""
        logits: Tensor = self.correlation(self.clip_logits(instances))
        return logits

    def clip_logits(self, instances: Instances) -> Tensor:
        """Average the instances' logits, (B, T, C) -> (B, C)."""
        return (instances.log_weights.exp() * instances.logits).sum(dim=1)


def mean_over_time(h: Tensor, valid: Tensor | None) -> Tensor:
    """Return the mean of valid instances, (B, T, D) -> (B, D)."""
    if valid is None:
        return h.mean(dim=1)
    return h.where(valid[..., None], 0).sum(dim=1) / valid.sum(dim=1, keepdim=True)


class ClassCorrelation(nn.Module):
    """Let the logit of each class depend on those of the others: a linear map, at first identity.

    The thesis of Gururani (2020, chapter 6) names models of the correlation of labels among what is
    left to do, without a recipe; this one is ours. The map is x + W x + b with W and b zero at
    first, so that nothing changes until it learns, and weight decay pulls it towards the identity.
    It learns from the observed labels, as everything does: a class whose label is missing still
    informs the others. Instances are not concerned.

    Args:
        num_classes: Number of classes, C.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.others = nn.Linear(num_classes, num_classes)
        nn.init.zeros_(self.others.weight)
        nn.init.zeros_(self.others.bias)

    def forward(self, logits: Tensor) -> Tensor:
        """Map the logits of clips, (B, C) -> (B, C)."""
        mapped: Tensor = logits + self.others(logits)
        return mapped


class ClipStatistics(nn.Module):
    """A linear classifier of the mean and the deviation of a clip's embeddings over its instances.

    A classifier of single instances cannot see how much the sound of a clip changes from one to the
    next, which separates barking from rain. This part can; it is ours. Its logits are added to
    those of each instance of the clip. Its weights are 0 at first. The factor is below 1 so that it
    learns more slowly than the rest: steps of Adam are equally long whatever the gradient is, so a
    factor of 0.2 acts as a rate of a fifth.

    Args:
        embed_dim: Width of an embedding, D.
        num_classes: Number of classes, C.
        weight: Factor of the logits.
    """

    def __init__(self, embed_dim: int, num_classes: int, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.classifier = nn.Linear(2 * embed_dim, num_classes, bias=False)
        nn.init.zeros_(self.classifier.weight)

    def forward(self, h: Tensor, valid: Tensor | None = None) -> Tensor:
        """Map embeddings, (B, T, D), to logits, (B, C); deviations are those of the population."""
        mean = mean_over_time(h, valid)
        variance = mean_over_time((h - mean[:, None]).square(), valid)
        deviation = variance.clamp_min(_LEAST_VARIANCE).sqrt()  # the root has no finite slope at 0
        logits: Tensor = self.weight * self.classifier(torch.cat([mean, deviation], dim=1))
        return logits


class MeanPooling(Pooling):
    """Average the logits, which is the same as to classify the average embedding."""

    def instances(self, h: Tensor, valid: Tensor | None = None) -> Instances:
        """Give all instances the same weight."""
        logits = self.classify(h, valid)  # (B, T, C)
        if valid is None:
            return Instances(logits, torch.full_like(logits, -math.log(h.shape[1])))
        return Instances(logits, _hide_padding(torch.zeros_like(logits), valid).log_softmax(dim=1))


class MaxPooling(Pooling):
    """Take the largest logit of each class."""

    def instances(self, h: Tensor, valid: Tensor | None = None) -> Instances:
        """Give all the weight to the instance with the largest logit, the first if several."""
        logits = self.classify(h, valid)  # (B, T, C)
        largest = _hide_padding(logits, valid).argmax(dim=1, keepdim=True)
        weights = torch.zeros_like(logits).scatter(1, largest, 1.0)
        return Instances(logits, weights.log())


class _ProbabilityPooling(Pooling):
    """Average probabilities instead of logits."""

    def clip_logits(self, instances: Instances) -> Tensor:
        """Return the logit of the weighted mean of the instances' probabilities, (B, C).

        log p = logsumexp_t(log w_t + log sigmoid(c_t)), and since the weights sum to one,
        log(1 - p) is the same with -c_t.
        """
        present = (instances.log_weights + logsigmoid(instances.logits)).logsumexp(dim=1)
        absent = (instances.log_weights + logsigmoid(-instances.logits)).logsumexp(dim=1)
        return present - absent


class AttentionPooling(_ProbabilityPooling):
    """One attention weight for each instance and class: a sigmoid, normalised over the instances.

    S(x) = sum_t w_t f(x_t), w_t = v_t / sum_u v_u, v = sigmoid(V x): Gururani, Sharma and Lerch
    2019, https://arxiv.org/abs/1907.04294, section 4.2. The authors' code clamps v to
    [1e-7, 1 - 1e-7]; the log domain needs no clamp.
    """

    def __init__(self, embed_dim: int, num_classes: int, **options: Any) -> None:
        super().__init__(embed_dim, num_classes, **options)
        self.attention = _linear(embed_dim, num_classes)

    def start_at(self, log_odds: Tensor) -> None:
        """Answer the same for every clip, with equal weights for its instances."""
        super().start_at(log_odds)
        with torch.no_grad():
            self.attention.weight.zero_()

    def instances(self, h: Tensor, valid: Tensor | None = None) -> Instances:
        """Weigh each instance by its own attention."""
        attention = _hide_padding(logsigmoid(self.attention(h)), valid)  # (B, T, C)
        return Instances(
            self.classify(h, valid), attention - attention.logsumexp(dim=1, keepdim=True)
        )


class GatedAttentionPooling(Pooling):
    """A softmax over instances of a gated score, shared by all classes.

    a_t = softmax_t(w' (tanh(V h_t) * sigmoid(U h_t))): Ilse, Tomczak and Welling 2018,
    https://arxiv.org/abs/1802.04712, eq. 9. They classify sum_t a_t h_t; as our classifier is
    linear, that is the weighted average of the instances' logits.

    Args:
        embed_dim: Width of an embedding, D.
        num_classes: Number of classes, C.
        attention_dim: Width of the gate.
        options: See `Pooling`.
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        attention_dim: int = 128,
        **options: Any,
    ) -> None:
        super().__init__(embed_dim, num_classes, **options)
        self.content = nn.Linear(embed_dim, attention_dim)
        self.gate = nn.Linear(embed_dim, attention_dim)
        self.score = nn.Linear(attention_dim, 1)

    def instances(self, h: Tensor, valid: Tensor | None = None) -> Instances:
        """Weigh the instances, with the same weights for all classes."""
        score = self.score(self.content(h).tanh() * self.gate(h).sigmoid())  # (B, T, 1)
        logits = self.classify(h, valid)
        return Instances(logits, _hide_padding(score, valid).log_softmax(dim=1).expand_as(logits))


class AutoPooling(_ProbabilityPooling):
    """A softmax of the instance's own probability, with a learnt sharpness for each class.

    w_t = softmax_t(alpha p_t), alpha of each class starting at 0: McFee, Salamon and Bello 2018,
    https://arxiv.org/abs/1804.10070, eq. 6. alpha = 0 is the mean, large alpha the maximum.
    """

    def __init__(self, embed_dim: int, num_classes: int, **options: Any) -> None:
        super().__init__(embed_dim, num_classes, **options)
        self.alpha = nn.Parameter(torch.zeros(num_classes))

    def instances(self, h: Tensor, valid: Tensor | None = None) -> Instances:
        """Weigh each instance by its own probability; gradients flow through the weights too."""
        logits = self.classify(h, valid)  # (B, T, C)
        sharpened = _hide_padding(self.alpha * logits.sigmoid(), valid)
        return Instances(logits, sharpened.log_softmax(dim=1))


class TransformerPooling(Pooling):
    """Apply self-attention to the instances, and weigh them by the attention of a class token.

    Multi-instance learning takes instances to be independent of each other. The outlook of
    Gururani's thesis (2020, chapter 6) is to relax this with a transformer; it has no recipe, sizes
    are ours. A learnt token and the instances pass a transformer encoder (layer norm first). Then
    the token's attention over the instances, a softmax of one scaled product each, weighs their
    logits, the same for all classes: as the classifier is linear, this classifies what the token
    reads. Without positions the order of the instances does not count.

    Args:
        embed_dim: Width of an embedding, D, also that of the transformer.
        num_classes: Number of classes, C.
        num_layers: Layers of the transformer.
        num_heads: Heads of attention in each; they must divide D.
        dropout: Probability of dropping a unit in training.
        positions: Whether sinusoids of its place are added to each instance.
        options: See `Pooling`.

    Raises:
        InputError: If the heads do not divide D.
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        num_layers: int = 2,
        num_heads: int = 4,
        dropout: float = 0.1,
        positions: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(embed_dim, num_classes, **options)
        if embed_dim % num_heads:
            raise InputError(
                f"pooling.num_heads={num_heads} does not divide the {embed_dim} values of an "
                "embedding; choose a number that does, or another encoder."
            )
        self.positions = positions
        self.token = nn.Parameter(torch.randn(1, 1, embed_dim) / math.sqrt(embed_dim))
        layer = nn.TransformerEncoderLayer(
            embed_dim, num_heads, 2 * embed_dim, dropout, batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(embed_dim)
        self.encoder = nn.TransformerEncoder(layer, num_layers, norm, enable_nested_tensor=False)
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)

    def instances(self, h: Tensor, valid: Tensor | None = None) -> Instances:
        """Classify the instances after self-attention; weigh them by the token's attention."""
        if self.positions:
            h = h + sinusoids(h.shape[1], h.shape[2]).to(h)
        sequence = torch.cat([self.token.to(h).expand(len(h), -1, -1), h], dim=1)  # (B, 1 + T, D)
        padding = None
        if valid is not None:
            padding = torch.cat([torch.zeros_like(valid[:, :1]), ~valid], dim=1)
            sequence = sequence.masked_fill(padding[..., None], 0)
        read = self.encoder(sequence, src_key_padding_mask=padding)
        token, z = read[:, :1], read[:, 1:]
        scale = math.sqrt(z.shape[2])
        score = (self.query(token) * self.key(z)).sum(dim=2, keepdim=True) / scale  # (B, T, 1)
        logits = self.classify(z, valid)
        return Instances(logits, _hide_padding(score, valid).log_softmax(dim=1).expand_as(logits))


def sinusoids(count: int, width: int) -> Tensor:
    """Return the positions of Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, (T, D).

    Columns 2 i and 2 i + 1 are sine and cosine of t / 10000^(2 i / D).
    """
    rates = 10_000.0 ** (-torch.arange(0, width, 2) / width)
    angles = torch.arange(count)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width]


def _linear(embed_dim: int, num_classes: int) -> nn.Linear:
    linear = nn.Linear(embed_dim, num_classes)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def _hide_padding(values: Tensor, valid: Tensor | None) -> Tensor:
    return values if valid is None else values.masked_fill(~valid[..., None], -math.inf)
