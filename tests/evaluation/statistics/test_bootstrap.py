"""Oracles: musicssl's metrics, the binomial distribution, DeLong's variance, scipy's bootstrap."""

import numpy as np
import pytest
import torch
from scipy.stats import binom, bootstrap, norm
from torch.nn.functional import one_hot

from musicssl.errors import InputError
from musicssl.evaluation.multi_class import weighted_accuracy
from musicssl.evaluation.statistics.bootstrap import (
    chunk,
    draws,
    estimates,
    interval,
    replicates,
    resampled_metrics,
)
from musicssl.evaluation.statistics.delong import macro_auroc
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION, TASKS
from tests.support.repeated import measured_on_repeated_clips

CREDIT = np.array([[1, 0.5, 0], [0.2, 1, 0.3], [0, 0, 1]], np.float32)


def data(task, num_clips=50, num_sets=2, seed=0):
    """Scores, (K, N, 3), targets and mask of a task, partly observed."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(num_sets, num_clips, 3, generator=generator)
    mask = torch.rand(num_clips, 3, generator=generator) < 0.7
    if task is REGRESSION:
        return scores, torch.randn(num_clips, 3, generator=generator), mask
    if task is MULTI_CLASS:
        truth = torch.randint(3, (num_clips,), generator=generator)
        known = mask[:, :1].expand(-1, 3).clone()
        known[0, :2], known[0, 2] = True, False  # which is not to know its class
        return scores, one_hot(truth, 3).float(), known
    targets = torch.rand(num_clips, 3, generator=generator)  # probabilities, as of OpenMIC
    scores = 0.7 * scores + 0.3 * targets
    scores[:, 1], mask[1] = 0.5, True  # at the threshold itself
    return scores, targets, mask


def names_and_credit(task):
    return resampled_metrics(task), CREDIT if task is MULTI_CLASS else None


def answers(right):
    """Scores, (1, N, 2), and so on, of clips that are answered rightly or not."""
    truth = torch.zeros(len(right), dtype=torch.int64)
    scores = one_hot((~torch.as_tensor(right)).long(), 2).float()
    return scores[None], one_hot(truth, 2).float(), torch.ones(len(right), 2, dtype=torch.bool)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_metrics_of_the_clips_themselves_are_those_of_the_task(task):
    scores, targets, mask = data(task)
    names, credit = names_and_credit(task)
    result = estimates(scores, targets, mask, task, names, credit=credit)
    assert list(result) == list(names)
    for k, one in enumerate(scores):
        macro = task.metrics(one, targets, mask).macro
        if credit is not None:
            credits = torch.from_numpy(credit)
            macro["weighted_accuracy"] = weighted_accuracy(one, targets, mask, credits)
        ours = {name: values[k] for name, values in result.items()}
        assert ours == pytest.approx({name: macro[name] for name in names}, abs=1e-6)


@pytest.mark.parametrize("grouped", [False, True], ids=["clips", "groups"])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_replicate_is_the_metric_of_the_clips_that_were_drawn(task, grouped):
    scores, targets, mask = data(task)
    names, credit = names_and_credit(task)
    units = np.arange(50) // 3 if grouped else np.arange(50)
    groups = np.array([f"song {unit:02d}" for unit in units]) if grouped else None
    drawn = next(draws(units, 5, seed=3, at_a_time=5))
    expected = measured_on_repeated_clips(scores, targets, mask, task, drawn, credit)
    result = replicates(
        *(scores, targets, mask, task, names), groups=groups, credit=credit, resamples=5, seed=3
    )
    for name in names:
        np.testing.assert_allclose(result[name], expected[name], atol=1e-6, err_msg=name)


def test_sets_of_scores_share_their_resamples_whether_measured_together_or_not():
    scores, *truth = data(MULTI_LABEL)
    together = replicates(scores, *truth, MULTI_LABEL, ["auroc"], resamples=20)["auroc"]
    alone = replicates(scores[1:], *truth, MULTI_LABEL, ["auroc"], resamples=20)["auroc"]
    np.testing.assert_array_equal(together[1:], alone)
    fewer = replicates(scores, *truth, MULTI_LABEL, ["auroc"], resamples=8)["auroc"]
    np.testing.assert_array_equal(together[:, :8], fewer)
    other = replicates(scores, *truth, MULTI_LABEL, ["auroc"], resamples=20, seed=1)["auroc"]
    assert not (together == other).any()


def test_how_many_are_measured_at_a_time_makes_no_difference(monkeypatch):
    scores, *truth = data(MULTI_LABEL)
    whole = replicates(scores, *truth, MULTI_LABEL, resampled_metrics(MULTI_LABEL), resamples=23)
    monkeypatch.setattr("musicssl.evaluation.statistics.bootstrap._BYTES", 8 * 8 * 7 * (50 + 6))
    assert chunk(50, 6) == 7
    in_parts = replicates(scores, *truth, MULTI_LABEL, resampled_metrics(MULTI_LABEL), resamples=23)
    for name, values in whole.items():
        np.testing.assert_array_equal(in_parts[name], values)


@pytest.mark.parametrize(("num_clips", "num_columns"), [(30, 3), (5_000, 600), (20_000, 50)])
def test_the_arrays_of_a_chunk_fill_128_mib_and_no_more(num_clips, num_columns):
    one = 8 * 8 * (num_clips + num_columns)  # bytes of a resample
    size = chunk(num_clips, num_columns)
    assert size * one <= 2**27 < (size + 1) * one
    assert chunk(10**8, 1) == 1


def test_draws_of_single_clips_have_as_many_and_each_binomially_often():
    counts = next(draws(np.arange(40), 4000, seed=0, at_a_time=4000))
    assert counts.shape == (40, 4000)
    np.testing.assert_array_equal(counts.sum(axis=0), 40)
    observed = np.bincount(counts.astype(int).ravel(), minlength=5)[:5] / counts.size
    np.testing.assert_allclose(observed, binom.pmf(range(5), 40, 1 / 40), atol=0.003)


def test_clips_of_a_group_are_drawn_together():
    units = np.array([2, 0, 0, 1, 2, 2])
    counts = next(draws(units, 200, seed=0, at_a_time=200))
    _, first = np.unique(units, return_index=True)
    np.testing.assert_array_equal(counts, counts[first][units])
    np.testing.assert_array_equal(counts[first].sum(axis=0), 3)
    assert (counts.sum(axis=0) != 6).any()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_clips_that_come_twice_and_as_a_group_are_as_sure_as_single_ones(task):
    scores, targets, mask = data(task)
    names, credit = names_and_credit(task)
    twice = torch.arange(50).repeat_interleave(2)
    doubled = scores[:, twice], targets[twice], mask[twice]
    groups = np.array([f"{clip:03d}" for clip in twice])
    grouped = replicates(*doubled, task, names, groups=groups, credit=credit, resamples=50)
    single = replicates(scores, targets, mask, task, names, credit=credit, resamples=50)
    for name in names:
        np.testing.assert_allclose(grouped[name], single[name], atol=1e-12)


def test_copies_taken_for_single_clips_promise_too_much_by_the_root_of_two():
    right = np.random.default_rng(0).random(200) < 0.7
    single = replicates(*answers(right), MULTI_CLASS, ["accuracy"])["accuracy"]
    doubled = replicates(*answers(np.repeat(right, 2)), MULTI_CLASS, ["accuracy"])["accuracy"]
    assert single.std() / doubled.std() == pytest.approx(np.sqrt(2), rel=0.1)


def test_with_groups_the_order_of_clips_makes_no_difference():
    scores, targets, mask = data(MULTI_LABEL)
    groups = np.array([f"song {clip % 20}" for clip in range(50)])
    order = torch.randperm(50, generator=torch.Generator().manual_seed(5))
    names = resampled_metrics(MULTI_LABEL)
    straight = replicates(scores, targets, mask, MULTI_LABEL, names, groups=groups, resamples=30)
    shuffled = replicates(
        *(scores[:, order], targets[order], mask[order], MULTI_LABEL, names),
        groups=groups[order.numpy()],
        resamples=30,
    )
    for name, values in straight.items():
        np.testing.assert_allclose(shuffled[name], values, atol=1e-12)


def test_the_interval_of_an_accuracy_is_that_of_the_binomial():
    right = np.arange(400) < 280
    found = replicates(*answers(right), MULTI_CLASS, ["accuracy"], resamples=4000)["accuracy"]
    exact = binom.ppf([0.025, 0.975], 400, 0.7) / 400
    np.testing.assert_allclose(interval(found[0]), exact, atol=0.005)
    exact = binom.ppf([0.1, 0.9], 400, 0.7) / 400
    np.testing.assert_allclose(interval(found[0], level=0.8), exact, atol=0.005)


def test_the_interval_of_a_weighted_accuracy_is_that_of_scipy():
    scores, targets, mask = data(MULTI_CLASS, num_clips=300, num_sets=1)
    found = replicates(
        *(scores, targets, torch.ones_like(mask), MULTI_CLASS, ["weighted_accuracy"]),
        credit=CREDIT,
        resamples=3000,
    )
    earned = CREDIT[scores[0].argmax(1), targets.argmax(1)]
    theirs = bootstrap(
        (earned,), np.mean, n_resamples=3000, method="percentile", rng=np.random.default_rng(9)
    )
    expected = theirs.confidence_interval.low, theirs.confidence_interval.high
    assert interval(found["weighted_accuracy"][0]) == pytest.approx(expected, abs=0.006)


def test_the_interval_of_auroc_is_near_that_of_delong():
    rng = np.random.default_rng(0)
    present = rng.random((600, 3)) < 0.3
    scores = 1 / (1 + np.exp(-1.0 * present - rng.normal(size=present.shape)))
    mask = rng.random(present.shape) < 0.6
    delong = macro_auroc(scores, present, mask)
    half = norm.ppf(0.975) * np.sqrt((delong.influence**2).sum())
    tensors = map(torch.from_numpy, (scores[None], present.astype(np.float32), mask))
    found = replicates(*tensors, MULTI_LABEL, ["auroc"], resamples=2000)["auroc"][0]
    expected = delong.macro - half, delong.macro + half
    assert interval(found) == pytest.approx(expected, abs=0.15 * half)


def test_resamples_that_do_not_define_a_metric_are_left_out():
    values = np.concatenate([np.linspace(0, 1, 101), np.full(50, np.nan)])
    assert interval(values) == pytest.approx((0.025, 0.975))
    assert np.isnan(interval(np.full(3, np.nan))).all()


def test_replicates_that_lie_above_their_estimate_are_moved_to_lie_around_it():
    values = np.concatenate([0.3 + np.linspace(0, 0.1, 101), [np.nan]])
    assert interval(values, 0.27) == pytest.approx((0.2225, 0.3175))  # their mean is 0.35
    assert interval(values, 0.35) == pytest.approx(interval(values))
    assert np.isnan(interval(np.full(3, np.nan), 0.5)).all()


def test_the_average_precision_of_rare_classes_over_seeds_lies_in_its_interval():
    rng = np.random.default_rng(0)
    truth = np.eye(24)[np.arange(96) % 24]
    scores = np.exp(0.3 * truth + rng.normal(size=(5, 96, 24)))  # five seeds
    scores /= scores.sum(axis=2, keepdims=True)
    one_hot_truth = torch.from_numpy(truth.astype(np.float32))
    parts = torch.from_numpy(scores), one_hot_truth, torch.ones(96, 24, dtype=torch.bool)
    names = ["average_precision"]
    drawn = replicates(*parts, MULTI_CLASS, names)["average_precision"].mean(axis=0)
    mean = float(estimates(*parts, MULTI_CLASS, names)["average_precision"].mean())
    assert interval(drawn)[0] > mean  # which is why they are moved
    low, high = interval(drawn, mean)
    assert low < mean < high
    assert high - low == pytest.approx(np.subtract(*interval(drawn)[::-1]))


def test_a_moved_interval_ends_where_a_metric_does():
    values = np.linspace(0, 1, 101)
    assert interval(values, 0.4) == pytest.approx((0, 0.875))
    assert interval(values, 0.6) == pytest.approx((0.125, 1))
    assert interval(2 * values - 1, -0.2) == pytest.approx((-1.15, 0.75))  # as R² may
    assert interval(3 * values, 1.8) == pytest.approx((0.375, 3.225))  # as RMSE may


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(InputError, match="above 0 and below 1, got"):
        interval(np.zeros(5), level=level)


def test_a_single_clip_or_group_shows_no_spread():
    scores, targets, mask = data(MULTI_LABEL)
    one_song = replicates(
        *(scores, targets, mask, MULTI_LABEL, ["auroc", "f1"]),
        groups=np.full(50, "song"),
        resamples=7,
    )
    one_clip = replicates(scores[:, :1], targets[:1], mask[:1], MULTI_LABEL, ["f1"], resamples=7)
    for values in (*one_song.values(), *one_clip.values()):
        assert values.shape == (2, 7)
        assert np.isnan(values).all()


def test_inputs_are_left_as_they_are():
    inputs = data(MULTI_LABEL)
    copies = [tensor.clone() for tensor in inputs]
    replicates(*inputs, MULTI_LABEL, resampled_metrics(MULTI_LABEL), resamples=3)
    assert all(torch.equal(*pair) for pair in zip(inputs, copies, strict=True))


def test_scores_of_half_precision_are_measured_as_they_stand():
    scores, *truth = data(MULTI_LABEL)
    names = resampled_metrics(MULTI_LABEL)
    half = estimates(scores.half(), *truth, MULTI_LABEL, names)
    for name, values in estimates(scores.half().double(), *truth, MULTI_LABEL, names).items():
        np.testing.assert_array_equal(half[name], values)


def test_a_metric_that_is_not_resampled_is_refused():
    with pytest.raises(InputError, match=r"cannot measure 'pearson'.*choose from r2, rmse"):
        replicates(*data(REGRESSION), REGRESSION, ["r2", "pearson"])
    with pytest.raises(InputError, match=r"'weighted_accuracy'.*choose from accuracy, auroc, "):
        estimates(*data(MULTI_CLASS), MULTI_CLASS, ["weighted_accuracy"])  # without a credit


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_scores_that_are_not_finite_are_refused_where_observed(task):
    scores, targets, mask = data(task)
    name = resampled_metrics(task)[-1]
    hidden = scores.where(mask, torch.nan)
    expected = estimates(scores, targets, mask, task, [name])[name]
    np.testing.assert_array_equal(estimates(hidden, targets, mask, task, [name])[name], expected)
    scores[1, int(mask.all(dim=1).int().argmax()), 0] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        replicates(scores, targets, mask, task, [name])
