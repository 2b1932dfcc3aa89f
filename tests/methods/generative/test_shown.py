"""Oracles: a linear model whose answers are products of known matrices, and an identity."""

import math

import pytest
import torch

from musicssl.evaluation.tasks import task_named
from musicssl.methods.generative.pictures import (
    ShownClips,
    added,
    component_means,
    decided,
    decoded_flipped,
    explained_share,
    flipped,
    reconstructed,
    sampled,
    traversal,
)
from tests.support.known_models import B, W, identity, linear, two_components

LABELS, CLASS, VALUES = (task_named(n) for n in ("multi_label", "multi_class", "regression"))


def clips(count=40, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 4, generator=rng)
    answers, y = ((torch.rand(count, 3, generator=rng) < 0.4).float() for _ in range(2))
    return ShownClips(x, answers, y)


def test_an_answer_is_yes_or_no_or_one_class_or_a_value():
    scores = torch.tensor([[0.5, 0.2, 0.4], [0.1, 0.7, 0.9]])
    assert decided(scores, LABELS).tolist() == [[1, 0, 0], [0, 1, 1]]
    assert decided(scores, CLASS).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert decided(scores, VALUES).equal(scores)


def test_an_identity_reconstructs_exactly_and_in_the_units_of_the_features():
    model, shown = identity(), clips()
    raw = shown.x * model.summary.scale + model.summary.shift
    torch.testing.assert_close(reconstructed(model, shown, 0), raw)
    assert explained_share(model, shown, raw) == pytest.approx(1)


def test_a_clip_is_inferred_and_decoded_with_what_the_classifier_answers():
    model = linear(inferred=lambda x, y, label: x[:, :2] + 10 * y[:, :2])
    shown = clips()
    expected = (shown.x[:, :2] + 10 * shown.answers[:, :2]) @ W + shown.answers @ B
    expected = expected * model.summary.scale + model.summary.shift
    torch.testing.assert_close(reconstructed(model, shown, 1), expected)


def test_the_share_of_variance_is_the_mean_of_r2_over_standardised_features():
    model, shown = linear(), clips()
    shown = shown._replace(x=(shown.x - shown.x.mean(dim=0)) / shown.x.std(dim=0, correction=0))
    observed = model.summary.unscaled(shown.x)
    expected = observed + 0.3 * torch.randn(40, 4, generator=torch.Generator().manual_seed(3))
    error, variance = (observed - expected).square().mean(dim=0), observed.var(dim=0, correction=0)
    share = float((1 - error / variance).mean())
    assert explained_share(model, shown, expected) == pytest.approx(share, abs=1e-5)
    mean = observed.mean(dim=0).expand_as(observed)
    assert explained_share(model, shown, mean) == pytest.approx(0, abs=1e-6)
    one = ShownClips(*(part[:1] for part in shown))
    assert math.isnan(explained_share(model, one, observed[:1]))


def test_a_flip_changes_one_class_and_nothing_else():
    y = clips().y
    absent, present = flipped(y, 1, LABELS)
    assert (absent[:, 1] == 0).all()
    assert (present[:, 1] == 1).all()
    assert absent[:, [0, 2]].equal(y[:, [0, 2]])
    assert present[:, [0, 2]].equal(y[:, [0, 2]])
    of_classes = flipped(y, 0, CLASS)
    assert [one[7].tolist() for one in of_classes] == torch.eye(3).tolist()


def test_what_a_class_adds_is_its_row_of_the_decoder_and_nothing_where_that_ignores_it():
    model, shown = linear(), clips()
    effects = added(model, shown, [2, 0, 1], LABELS)
    torch.testing.assert_close(effects, B[[2, 0, 1]] * model.summary.scale)
    assert (effects[0] == 0).all()


def test_where_a_clip_has_one_class_it_adds_its_row_less_the_mean_of_all():
    model, shown = linear(), clips()
    expected = (B - B.mean(dim=0)) * model.summary.scale
    torch.testing.assert_close(added(model, shown, [0, 2], CLASS), expected[[0, 2]])


def test_z_is_inferred_with_the_clips_own_classes_and_kept_when_one_is_flipped():
    reads_y = linear(inferred=lambda x, y, label: x[:, :2] + 10 * y[:, :2])
    shown = clips()
    z = shown.x[:, :2] + 10 * shown.y[:, :2]
    absent, present = decoded_flipped(reads_y, shown, 1, LABELS)
    for values, answer in ((absent, 0), (present, 1)):
        y = shown.y.clone()
        y[:, 1] = answer
        torch.testing.assert_close(values, reads_y.summary.unscaled(z @ W + y @ B))


def test_each_label_is_asked_of_its_own_model():
    asked = linear(
        inferred=lambda x, y, label: x[:, :2] * label,
        decoded=lambda z, y, label: z @ W + y[:, label, None] * (label + 1),
    )
    expected = torch.tensor([[1.0], [2.0], [3.0]]) * asked.summary.scale
    torch.testing.assert_close(added(asked, clips(), [0, 1, 2], LABELS), expected)


def test_clips_in_another_order_leave_the_means_alike():
    curved = linear(decoded=lambda z, y, label: ((z + y[:, :2]) @ W).tanh())
    shown = clips()
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    other = ShownClips(*(part[order] for part in shown))
    for task in (LABELS, CLASS):
        one, two = (added(curved, some, [0, 1, 2], task) for some in (shown, other))
        torch.testing.assert_close(one, two)
    steps = torch.linspace(-3, 3, 5)
    one, two = (traversal(curved, some, 2, steps) for some in (shown, other))
    assert one.dimensions.equal(two.dimensions)
    torch.testing.assert_close(one.values, two.values)
    assert order[two.clip] == one.clip


def test_samples_have_the_moments_of_their_component_and_are_always_the_same():
    model = linear(two_components(), summary=identity().summary)
    no_class = torch.zeros(20_000, 3)
    state = torch.get_rng_state()
    for component, (mean, variance) in enumerate(
        zip(model.prior.means, model.prior.log_variances.exp(), strict=True)
    ):
        drawn = sampled(model, no_class, 0, component)
        scaled = (drawn - model.summary.shift) / model.summary.scale
        torch.testing.assert_close(scaled.mean(dim=0), mean @ W, atol=0.1, rtol=0)
        expected = variance @ W.square()
        torch.testing.assert_close(scaled.var(dim=0), expected, atol=0, rtol=0.05)
        assert sampled(model, no_class, 0, component).equal(drawn)
    assert torch.get_rng_state().equal(state)  # what training draws from is left alone


def test_the_means_of_components_are_decoded_each_by_itself():
    model = linear(two_components())
    expected = model.summary.unscaled(model.prior.means @ W + B[1])
    torch.testing.assert_close(component_means(model, torch.tensor([[0.0, 1, 0]])), expected)


def test_a_traversal_moves_the_variables_that_vary_most_around_the_most_typical_clip():
    shown, model = clips(), identity(summary=linear().summary)
    x = shown.x.clone()
    x[:, 2] *= 5
    x[:, 0] *= 3
    steps = torch.tensor([-3.0, 0, 3])
    moved = traversal(model, shown._replace(x=x), 2, steps)
    assert moved.dimensions.tolist() == [2, 0]
    torch.testing.assert_close(moved.spread, x.std(dim=0, correction=0)[[2, 0]])
    distances = [float((clip - x.mean(dim=0)).square().sum()) for clip in x]
    assert moved.clip == distances.index(min(distances))
    for row, dimension in zip(moved.values, (2, 0), strict=True):
        for values, step in zip(row, steps, strict=True):
            z = x[moved.clip].clone()
            z[dimension] = step
            torch.testing.assert_close(values, model.summary.unscaled(z))


def test_steps_are_deviations_of_a_mixture_from_its_mean():
    prior = two_components()
    moved = traversal(linear(prior), clips(), 5, torch.tensor([-1.0, 1.0]))
    assert moved.values.shape == (2, 2, 4)  # there are but two variables
    drawn = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=prior.log_weights),
        torch.distributions.Independent(
            torch.distributions.Normal(prior.means, (0.5 * prior.log_variances).exp()), 1
        ),
    )
    for dimension, (low, high) in zip(moved.dimensions.tolist(), moved.values, strict=True):
        expected = 2 * drawn.stddev[dimension] * W[dimension] * linear().summary.scale
        torch.testing.assert_close(high - low, expected)


def test_a_traversal_is_of_the_model_that_is_to_be_shown():
    model = linear(decoded=lambda z, y, label: z @ W * label, label=2)
    moved = traversal(model, clips(), 1, torch.tensor([0.0, 1.0]))
    low, high = moved.values[0]
    expected = 2 * W[moved.dimensions[0]] * model.summary.scale
    torch.testing.assert_close(high - low, expected)
