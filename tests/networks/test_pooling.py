import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call

from musicssl.batch import valid_instances
from musicssl.errors import InputError
from musicssl.networks.pooling import (
    AttentionPooling,
    AutoPooling,
    GatedAttentionPooling,
    MaxPooling,
    MeanPooling,
)

POOLINGS = [MeanPooling, MaxPooling, AttentionPooling, GatedAttentionPooling, AutoPooling]
each_pooling = pytest.mark.parametrize("kind", POOLINGS, ids=lambda kind: kind.__name__)


def pooling(kind, embed_dim=6, num_classes=4):
    """A pooling in float64 all of whose parameters are at work."""
    torch.manual_seed(0)
    module = kind(embed_dim, num_classes).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=2.0)
    return module


def bags(num_clips=3, num_instances=5, embed_dim=6):
    return torch.randn(
        num_clips,
        num_instances,
        embed_dim,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(1),
    )


def mean_by_hand(module, h):
    return module.classifier(h.mean(dim=0))


def max_by_hand(module, h):
    return module.classifier(h).max(dim=0).values


def attention_by_hand(module, h):
    """S(x) = sum_t w_t f(x_t), w_t = v_t / sum_u v_u: Gururani et al. 2019, class by class."""
    logits = []
    for c in range(len(module.classifier.bias)):
        f = [torch.sigmoid(module.classifier.weight[c] @ x + module.classifier.bias[c]) for x in h]
        v = [torch.sigmoid(module.attention.weight[c] @ x + module.attention.bias[c]) for x in h]
        logits.append(sum(v_t * f_t for v_t, f_t in zip(v, f, strict=True)) / sum(v))
    return torch.stack(logits).logit()


def gated_attention_by_hand(module, h):
    """Classify sum_t a_t h_t, as Ilse et al. 2018, eq. 7 and 9, write it."""
    scores = [
        torch.exp(module.score(torch.tanh(module.content(x)) * torch.sigmoid(module.gate(x))))
        for x in h
    ]
    z = sum(a * x for a, x in zip(scores, h, strict=True)) / sum(scores)
    return module.classifier(z)


def auto_by_hand(module, h):
    """sum_t p_t exp(alpha p_t) / sum_u exp(alpha p_u): McFee et al. 2018, eq. 6."""
    p = torch.sigmoid(module.classifier(h))
    sharpened = torch.exp(module.alpha * p)
    return ((p * sharpened).sum(0) / sharpened.sum(0)).logit()


BY_HAND = {
    MeanPooling: mean_by_hand,
    MaxPooling: max_by_hand,
    AttentionPooling: attention_by_hand,
    GatedAttentionPooling: gated_attention_by_hand,
    AutoPooling: auto_by_hand,
}


@each_pooling
def test_each_clip_is_pooled_as_its_formula_says(kind):
    module, h = pooling(kind), bags()
    expected = torch.stack([BY_HAND[kind](module, clip) for clip in h])
    torch.testing.assert_close(module(h), expected)


@each_pooling
def test_a_ragged_batch_is_pooled_clip_by_clip_whatever_the_padding(kind):
    module, h = pooling(kind), bags()
    lengths = [5, 1, 3]
    valid = valid_instances(torch.tensor(lengths), 5)
    h[~valid] = 1e3
    expected = [BY_HAND[kind](module, clip[:n]) for clip, n in zip(h, lengths, strict=True)]
    torch.testing.assert_close(module(h, valid), torch.stack(expected))


@each_pooling
def test_weights_sum_to_one_and_padding_has_none(kind):
    module, h = pooling(kind), bags()
    valid = valid_instances(torch.tensor([5, 1, 3]), 5)
    for mask in (None, valid):
        instances = module.instances(h, mask)
        weights = instances.log_weights.exp()
        assert weights.shape == instances.logits.shape == (3, 5, 4)
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(3, 4, dtype=torch.float64))
    assert (weights[~valid] == 0).all()


@each_pooling
def test_order_and_repetition_of_instances_do_not_matter(kind):
    module, h = pooling(kind), bags()
    out = module(h)
    torch.testing.assert_close(module(h[:, [3, 0, 4, 1, 2]]), out)
    torch.testing.assert_close(module(h.repeat_interleave(3, dim=1)), out)


@each_pooling
def test_a_single_instance_decides_alone(kind):
    module, h = pooling(kind), bags(num_instances=1)
    torch.testing.assert_close(module(h), module.classifier(h[:, 0]))


@each_pooling
def test_a_clip_lies_between_its_instances(kind):
    module, h = pooling(kind), bags(num_clips=50)
    out, logits = module(h), module.classifier(h)
    assert (out >= logits.min(dim=1).values - 1e-9).all()
    assert (out <= logits.max(dim=1).values + 1e-9).all()


@pytest.mark.parametrize("kind", [AttentionPooling, AutoPooling])
def test_equal_weights_average_the_probabilities(kind):
    module, h = pooling(kind), bags()
    if kind is AttentionPooling:
        nn.init.zeros_(module.attention.weight)  # the same attention to every instance
    else:
        nn.init.zeros_(module.alpha)
    mean = module.classifier(h).sigmoid().mean(dim=1)
    torch.testing.assert_close(module(h).sigmoid(), mean)


@pytest.mark.parametrize(("alpha", "limit"), [(1e5, "amax"), (-1e5, "amin")])
def test_auto_pooling_ranges_from_the_minimum_to_the_maximum(alpha, limit):
    module, h = pooling(AutoPooling), 0.3 * bags()
    nn.init.constant_(module.alpha, alpha)
    torch.testing.assert_close(module(h), getattr(module.classifier(h), limit)(dim=1))


@each_pooling
def test_gradients_are_those_of_the_values(kind):
    """Against finite differences, so weights pass gradients on to embeddings and parameters."""
    module, h = pooling(kind, 3, 2), bags(2, 4, 3).requires_grad_()
    valid = valid_instances(torch.tensor([4, 2]), 4)
    names, parameters = zip(*module.named_parameters(), strict=True)

    def pool(h, *values):
        return functional_call(module, dict(zip(names, values, strict=True)), (h, valid))

    assert gradcheck(pool, (h, *parameters))


@each_pooling
@pytest.mark.parametrize("logit", [-80.0, 80.0])
def test_extreme_decisions_keep_value_and_gradient_in_float32(kind, logit):
    """If all instances agree on a logit the clip has it, and moves with them one to one."""
    torch.manual_seed(0)
    module = kind(2, 1)
    nn.init.constant_(module.classifier.weight, 1.0)
    if kind is AttentionPooling:  # attention itself as extreme as the decision
        nn.init.constant_(module.attention.weight, -1.0)
    h = torch.full((1, 4, 2), logit / 2, requires_grad=True)
    out = module(h)
    out.sum().backward()
    assert out.item() == pytest.approx(logit, rel=1e-6)
    assert h.grad.sum().item() == pytest.approx(2.0, rel=1e-5)  # two features of weight 1


@each_pooling
def test_opposite_extremes_stay_finite_in_float32(kind):
    torch.manual_seed(0)
    module = kind(1, 1)
    for name, parameter in module.named_parameters():
        if not name.startswith("classifier"):
            nn.init.ones_(parameter)
    nn.init.ones_(module.classifier.weight)
    h = torch.tensor([[[-80.0], [80.0], [9e9]]], requires_grad=True)
    out = module(h, torch.tensor([[True, True, False]]))
    out.sum().backward()
    assert -80 <= out.item() <= 80
    assert h.grad.isfinite().all()
    assert h.grad[0, 2] == 0


def test_attention_ignores_the_instances_that_it_closes():
    """With w = (1 - e, e) and p = (s, 1), p of the clip is s + (1 - s) e, down to e = exp(-60)."""
    module = AttentionPooling(2, 1).double()
    with torch.no_grad():
        module.attention.weight.copy_(torch.tensor([[1.0, 0.0]]))
        module.classifier.weight.copy_(torch.tensor([[0.0, 1.0]]))
    h = torch.tensor([[[60.0, -40.0], [-60.0, 40.0]]], dtype=torch.float64)
    p = math.exp(-40) + math.exp(-60)
    assert module(h).item() == pytest.approx(math.log(p), rel=1e-9)


@each_pooling
def test_a_pooling_that_starts_at_log_odds_answers_them_for_every_clip(kind):
    module = kind(6, 4, start="prior").double()
    log_odds = torch.tensor([-2.0, -0.5, 0.0, 1.5], dtype=torch.float64)
    module.start_at(log_odds)
    valid = valid_instances(torch.tensor([5, 1, 3]), 5)
    torch.testing.assert_close(module(bags()), log_odds.expand(3, 4))
    torch.testing.assert_close(module(bags(), valid), log_odds.expand(3, 4))


def test_an_unknown_start_is_refused():
    with pytest.raises(InputError, match=r"pooling\.start must be prior or random"):
        MeanPooling(6, 4, start="zero")


def with_statistics(kind, **options):
    torch.manual_seed(0)
    module = kind(6, 4, **options).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


@each_pooling
def test_statistics_shift_the_bias_of_the_classifier_for_a_clip(kind):
    module, h, lengths = with_statistics(kind, statistics=0.2), bags(), [5, 1, 3]
    out = module(h, valid_instances(torch.tensor(lengths), 5)).detach()
    weight, bias = module.statistics.classifier.weight.detach().numpy(), module.classifier.bias
    before = bias.detach().clone()
    for row, clip, n in zip(out, h.numpy(), lengths, strict=True):
        numbers = np.concatenate([clip[:n].mean(axis=0), clip[:n].std(axis=0)])
        bias.data = before + torch.from_numpy(0.2 * weight @ numbers)
        expected = BY_HAND[kind](module, torch.from_numpy(clip[:n])).detach()
        torch.testing.assert_close(row, expected, atol=1e-5, rtol=1e-5)


def test_statistics_of_all_instances_are_those_without_a_mask():
    module, h = with_statistics(AttentionPooling, statistics=1.0), bags()
    torch.testing.assert_close(module(h), module(h, torch.ones(3, 5, dtype=torch.bool)))


def test_statistics_pass_the_correlation_of_classes():
    module, h = with_statistics(MeanPooling, statistics=1.0, correlated=True), bags()
    logits = module.classifier(h.mean(dim=1)) + module.statistics(h)
    torch.testing.assert_close(module(h), module.correlation(logits))


def test_statistics_change_nothing_at_first():
    torch.manual_seed(0)
    module, h = AttentionPooling(6, 4, statistics=0.2).double(), bags()
    alone = AttentionPooling(6, 4).double()
    alone.load_state_dict(module.state_dict(), strict=False)
    torch.testing.assert_close(module(h), alone(h))


@pytest.mark.parametrize("same", [torch.zeros(2, 1, 6), torch.ones(2, 4, 6)])
def test_statistics_of_instances_that_do_not_vary_have_a_gradient(same):
    torch.manual_seed(0)
    module, h = AttentionPooling(6, 4, statistics=0.2), same.requires_grad_()
    nn.init.ones_(module.statistics.classifier.weight)
    module(h).sum().backward()
    assert h.grad.isfinite().all()


def test_statistics_have_no_negative_weight():
    with pytest.raises(InputError, match=r"pooling.statistics must be 0 or more, got -1\."):
        AttentionPooling(6, 4, statistics=-1.0)
