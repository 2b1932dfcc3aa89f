"""Oracle: scikit-learn, one class and one strength at a time."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from musicssl.errors import InputError
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION, TASKS
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import (
    STRENGTHS,
    Linear,
    LinearProbe,
    fit_linear,
    linear_judge,
    standardisation,
)

C, D = 4, 12
TIGHT = 1e-9


def embeddings(task, num_clips=150, seed=0, observed=0.7):
    """Targets that are a noisy linear function of features of scales 40 times apart at most."""
    direction = torch.randn(C, D, generator=torch.Generator().manual_seed(9))
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(num_clips, D, generator=generator) @ torch.linspace(0.5, 1, D).diag()
    values = h @ direction.T + torch.randn(num_clips, C, generator=generator)
    mask = torch.rand(num_clips, C, generator=generator) < observed
    y = (values > 0.5).float()
    if task is MULTI_CLASS:
        y = torch.nn.functional.one_hot(values.argmax(1), C).float()
        mask = mask[:, :1].expand(-1, C)
    if task is REGRESSION:
        y = 5 + values * torch.tensor([1.0, 100.0, 0.01, 1.0])
    h = 3 + h * torch.logspace(-0.5, 0.8, D)
    return Embeddings(h, y.where(mask, torch.nan), mask)


def fitted(task, strengths=(1.0,), **settings):
    train, val = embeddings(task, **settings), embeddings(task, seed=1)
    return fit_linear(train, val, task, strengths, TIGHT), train


def logits(probe, h):
    return h.double() @ probe.weight.double().T + probe.bias.double()


def deviations(train):
    """Standard deviations of what was observed of each target."""
    return torch.stack([train.y[m, c].std(correction=0) for c, m in enumerate(train.mask.T)])


def sklearn_probabilities(model, train, c):
    """Probabilities of one class in all training clips, by a model of scikit-learn."""
    scaled = StandardScaler().fit_transform(train.h.double().numpy())
    seen = train.mask[:, c].numpy()
    model.fit(scaled[seen], train.y[seen, c].numpy())
    return model.predict_proba(scaled)[:, 1]


@pytest.mark.parametrize("strength", STRENGTHS)
def test_labels_are_fitted_as_scikit_learn_fits_them_one_by_one(strength):
    probe, train = fitted(MULTI_LABEL, [strength])
    for c in range(C):
        model = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000)
        expected = sklearn_probabilities(model, train, c)
        found = logits(probe, train.h)[:, c].sigmoid()
        np.testing.assert_allclose(found, expected, atol=2e-5)
        spread = train.h.double().std(0, correction=0)
        np.testing.assert_allclose(
            probe.weight[c] * spread, model.coef_[0], rtol=0, atol=2e-5 * abs(model.coef_).max()
        )


@pytest.mark.parametrize("strength", STRENGTHS)
def test_one_of_several_classes_is_fitted_as_scikit_learn_does(strength):
    probe, train = fitted(MULTI_CLASS, [strength])
    known = train.mask[:, 0].numpy()
    scaled = StandardScaler().fit_transform(train.h.double().numpy())
    model = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000)
    model.fit(scaled[known], train.y[known].argmax(1).numpy())
    found = logits(probe, train.h).softmax(1)
    np.testing.assert_allclose(found, model.predict_proba(scaled), atol=2e-5)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_values_are_fitted_as_scikit_learns_ridge_does_in_standard_deviations(strength):
    probe, train = fitted(REGRESSION, [strength])
    scaled = StandardScaler().fit_transform(train.h.double().numpy())
    for c in range(C):
        seen = train.mask[:, c].numpy()
        values = train.y[seen, c].double().numpy()
        model = Ridge(alpha=0.5 / strength).fit(scaled[seen], values / values.std())
        expected = model.predict(scaled) * values.std()
        tolerance = 1e-4 * values.std()
        np.testing.assert_allclose(logits(probe, train.h)[:, c], expected, atol=tolerance)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_many_strengths_at_once_are_each_alone_and_the_one_that_validates_best_is_kept(task):
    train, val = embeddings(task, num_clips=60), embeddings(task, seed=1)
    alone = [fit_linear(train, val, task, [strength], TIGHT) for strength in STRENGTHS]
    losses = [task.losses[0](logits(probe, val.h).float(), val.y, val.mask) for probe in alone]
    if task is REGRESSION:  # in units of each target, where the widest does not decide
        spread = deviations(train)
        losses = [
            task.losses[0](logits(probe, val.h).float() / spread, val.y / spread, val.mask)
            for probe in alone
        ]
    best = alone[int(torch.stack(losses).argmin())]
    together = fit_linear(train, val, task, tolerance=TIGHT)
    assert together.strength == best.strength not in (STRENGTHS[0], STRENGTHS[-1])
    assert together.val_loss == pytest.approx(float(min(losses)), rel=1e-5)
    torch.testing.assert_close(together.weight, best.weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_decisions_do_not_depend_on_scale_and_origin_of_the_embeddings(task):
    train, val = embeddings(task), embeddings(task, seed=1)

    def moved(these):
        factor = torch.logspace(4, 3, D, dtype=torch.float64)  # none falls under the least spread
        return these._replace(h=these.h.double() * factor - 7)

    probe = fit_linear(train, val, task, [0.1])
    other = fit_linear(moved(train), moved(val), task, [0.1])
    difference = logits(other, moved(val).h) - logits(probe, val.h)
    assert difference.abs().max() < 1e-3 * logits(probe, val.h).std()


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e4])
def test_features_are_divided_by_their_deviations_the_least_by_a_share_of_the_typical_one(size):
    clips = torch.randn(60, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h = clips * torch.tensor([1.0, 0.1, 1e-3, 0.0]) + 2
    mean, spread = standardisation(size * h)
    deviations = h.std(0, correction=0)
    least = 0.03 * math.sqrt(sum(value**2 for value in deviations.tolist()) / 4)
    torch.testing.assert_close(mean, size * h.mean(0))
    torch.testing.assert_close(spread[:2], size * deviations[:2])
    assert spread[2].item() == pytest.approx(size * least)
    assert spread[3] >= size * least  # of what never varies nothing is magnified


def relu_clips(num_clips, seed, trace):
    """Units that fire or are silent; the first speaks in the first clips alone, by `trace`."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(4, 32, generator=torch.Generator().manual_seed(9))
    causes = torch.randn(num_clips, 4, generator=generator)
    h = 0.007 * (causes @ directions).relu()
    h[:, 0] = 0
    h[: len(trace), 0] = torch.tensor(trace)
    y = causes[:, :2] + 0.5 * torch.randn(num_clips, 2, generator=generator)
    return Embeddings(h, y, torch.ones_like(y, dtype=torch.bool))


@pytest.mark.parametrize("seed", range(3))
def test_a_unit_that_is_all_but_silent_in_training_does_not_decide(seed):
    """Fitted to a trace of 1e-5 in one clip of 26, it would be 1,400 deviations off in tests."""
    train, val = relu_clips(26, seed, [1e-5]), relu_clips(9, seed + 10, [])
    test = relu_clips(40, seed + 20, [2.8e-3, 2.8e-3])
    probe = fit_linear(train, val, REGRESSION)
    without = train._replace(h=train.h.index_fill(1, torch.tensor(0), 0))
    scores = [
        REGRESSION.metrics(logits(one, test.h).float(), test.y, test.mask).macro["r2"]
        for one in (probe, fit_linear(without, val, REGRESSION))
    ]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_unobserved_targets_change_nothing(task):
    train, val = embeddings(task), embeddings(task, seed=1)
    assert train.y.isnan().any()
    filled = train._replace(y=train.y.nan_to_num(0.3)), val._replace(y=val.y.nan_to_num(0.9))
    for one, other in zip(fit_linear(train, val, task), fit_linear(*filled, task), strict=True):
        assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))


def test_a_class_that_is_alike_in_all_clips_is_answered_alike_and_harms_no_other():
    train, val = embeddings(MULTI_LABEL, observed=1), embeddings(MULTI_LABEL, seed=1)
    y, mask = train.y.clone(), train.mask.clone()
    y[:, 0], y[:, 1], mask[:, 2] = 1, 0, False
    probe = fit_linear(Embeddings(train.h, y, mask), val, MULTI_LABEL, [1.0])
    assert (probe.weight[:3] == 0).all()
    np.testing.assert_allclose(probe.bias[:3].sigmoid(), [150.5 / 151, 0.5 / 151, 0.5], rtol=1e-5)
    whole = fit_linear(train, val, MULTI_LABEL, [1.0])
    torch.testing.assert_close(probe.weight[3], whole.weight[3], rtol=1e-3, atol=1e-5)


def test_a_class_without_a_clip_is_as_unlikely_as_half_a_clip_of_it():
    train, val = embeddings(MULTI_CLASS, observed=1), embeddings(MULTI_CLASS, seed=1)
    without = train.y[:, 1] == 0
    train = Embeddings(*(part[without] for part in train))
    probe = fit_linear(train, val, MULTI_CLASS, [1.0])
    scores = logits(probe, train.h)
    odds = scores[:, 1] - scores[:, [0, 2, 3]].logsumexp(1)
    assert (probe.weight[1] == 0).all()
    expected = math.log(0.5 / (len(train.h) + 0.5))
    assert odds.mean().item() == pytest.approx(expected, abs=1e-4)


def test_training_clips_of_one_class_leave_nothing_to_tell_apart():
    train, val = embeddings(MULTI_CLASS, observed=1), embeddings(MULTI_CLASS, seed=1)
    train = Embeddings(*(part[train.y[:, 2] == 1] for part in train))
    probe = fit_linear(train, val, MULTI_CLASS)
    assert (probe.weight == 0).all()
    share = 0.5 / (len(train.h) + 1)
    expected = [share / (1 - share)] * 2 + [1] + [share / (1 - share)]
    np.testing.assert_allclose(probe.bias.exp(), expected, rtol=1e-5)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_collapsed_embeddings_give_a_probe_that_answers_alike(task):
    train, val = embeddings(task), embeddings(task, seed=1)
    alike = train._replace(h=torch.full_like(train.h, 0.1))
    probe = fit_linear(alike, val, task)
    assert (probe.weight == 0).all()
    for c in range(C):
        seen = train.y[train.mask[:, c], c].double()
        answer = probe.bias.double()[c]
        if task is MULTI_LABEL:
            answer = answer.sigmoid()
        if task is MULTI_CLASS:
            answer = probe.bias.double().softmax(0)[c]
        assert answer.item() == pytest.approx(seen.mean().item(), rel=1e-4)


@pytest.mark.parametrize("task", [MULTI_LABEL, MULTI_CLASS], ids=lambda task: task.name)
def test_fewer_clips_than_features_that_separate_perfectly_are_fitted_too(task):
    train, val = embeddings(task, num_clips=9, observed=1), embeddings(task, seed=1)
    probe = fit_linear(train, val, task, [100.0])
    scores = task.scores(logits(probe, train.h))
    assert (scores - train.y).abs().max() < 0.05


SUBSETS = [torch.arange(start, end) for start, end in ((0, 9), (40, 70), (0, 150))]  # 9 < D


def one_by_one(train, test, task, strength):
    """Scores of clips by models of scikit-learn, one for each class where there are several."""
    scaler = StandardScaler().fit(train.h.double().numpy())
    z, at = (scaler.transform(h.double().numpy()) for h in (train.h, test))
    scores = np.zeros((len(at), C))
    if task is MULTI_CLASS:
        known = train.mask[:, 0].numpy()
        model = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000)
        model.fit(z[known], train.y[known].argmax(1).numpy())
        scores[:, model.classes_] = model.predict_proba(at)
        return scores
    for c, seen in enumerate(train.mask.T.numpy()):
        y = train.y[seen, c].double().numpy()
        if task is REGRESSION:
            model = Ridge(alpha=0.5 / strength).fit(z[seen], y)
            scores[:, c] = model.predict(at)
        elif y.min() == y.max():
            scores[:, c] = (y.sum() + 0.5) / (len(y) + 1)
        else:
            model = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000)
            scores[:, c] = model.fit(z[seen], y).predict_proba(at)[:, 1]
    return scores


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_subset_is_scored_as_by_the_model_of_scikit_learn_that_validates_best(task):
    train, val = embeddings(task), embeddings(task, seed=1)
    if task is MULTI_CLASS:  # scikit-learn has no odds for a class that the first subset lacks
        train = train._replace(y=train.y.clone())
        train.y[torch.arange(150)[train.mask[:, 0]][:C]] = torch.eye(C)
    probes = Linear(STRENGTHS, TIGHT).fit(train, SUBSETS, val, task)
    for rows, probe in zip(SUBSETS, probes, strict=True):
        labelled = train.select(rows)
        unit = torch.ones(C)
        if task is REGRESSION:
            unit = deviations(labelled)
        losses = []
        for strength in STRENGTHS:
            guess = torch.from_numpy(one_by_one(labelled, val.h, task, strength)).float()
            losses.append(natural_loss(guess / unit, val.y / unit, val.mask, task))
        best = STRENGTHS[int(np.argmin(losses))]
        assert probe.chosen == {"strength": best}
        assert probe.val_loss == pytest.approx(min(losses), rel=1e-4)
        expected = one_by_one(labelled, val.h, task, best)
        error = (probe.judge(val.h).double() - torch.from_numpy(expected)) / unit
        assert error.abs().max() < 2e-5


def natural_loss(scores, y, mask, task):
    """The mean over what was observed, from its formula."""
    if task is REGRESSION:
        return float((scores - y)[mask].square().mean())
    if task is MULTI_CLASS:
        known = mask[:, 0]
        return float(-(scores[known] * y[known]).sum(1).log().mean())
    return float(-torch.where(y == 1, scores, 1 - scores)[mask].log().mean())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_probe_of_a_subset_does_not_depend_on_the_others(task):
    train, val = embeddings(task), embeddings(task, seed=1)
    together = Linear().fit(train, SUBSETS, val, task)
    for rows, probe in zip(SUBSETS, together, strict=True):
        hidden = train._replace(y=torch.full_like(train.y, torch.nan))
        hidden.y[rows] = train.y[rows]
        [alone] = Linear().fit(hidden, [rows], val, task)
        assert torch.equal(probe.judge(val.h), alone.judge(val.h))
        judge = linear_judge(train.select(rows), val, task)
        assert torch.equal(probe.judge(val.h), judge(val.h))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_features_that_never_vary_change_nothing(task):
    train, val = embeddings(task), embeddings(task, seed=1)

    def wider(these):
        """The first 8 features are alike everywhere, and the others spread as before."""
        return these._replace(h=torch.cat([torch.full((len(these.h), 8), 7.3), these.h], dim=1))

    one, other = fit_linear(train, val, task), fit_linear(wider(train), wider(val), task)
    assert one.strength == other.strength
    torch.testing.assert_close(other.weight[:, 8:], one.weight, rtol=1e-3, atol=1e-4)
    scores = logits(one, val.h)
    assert (logits(other, wider(val).h) - scores).abs().max() < 1e-3 * scores.std()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_validation_clips_that_are_all_alike_still_choose_by_the_loss(task):
    """The loss is defined where an AUROC is not."""
    train, val = embeddings(task), embeddings(task, seed=1)
    alike = val._replace(y=torch.eye(C)[:1].expand(len(val.y), -1).contiguous())
    if task is REGRESSION:
        alike = val._replace(y=torch.full_like(val.y, 5.0))
    losses = [Linear([one]).fit(train, SUBSETS[2:], alike, task)[0].val_loss for one in STRENGTHS]
    [probe] = Linear().fit(train, SUBSETS[2:], alike, task)
    assert probe.chosen["strength"] == STRENGTHS[int(np.argmin(losses))]
    assert probe.val_loss == pytest.approx(min(losses), rel=1e-3)
    assert max(losses) > 1.1 * min(losses)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_split_without_labels_is_refused(task):
    train, val = embeddings(task), embeddings(task, seed=1)
    nothing = val._replace(mask=torch.zeros_like(val.mask))
    with pytest.raises(InputError, match="no validation clip has a label"):
        fit_linear(train, nothing, task)
    with pytest.raises(InputError, match="no training clip has a label"):
        fit_linear(nothing, val, task)
    with pytest.raises(InputError, match="no training clip has a label"):
        Linear().fit(train, [SUBSETS[0], torch.arange(0)], val, task)


def test_embeddings_of_a_diverged_encoder_and_strengths_of_0_are_refused():
    train, val = embeddings(MULTI_LABEL), embeddings(MULTI_LABEL, seed=1)
    h = train.h.clone()
    h[3, 2] = torch.nan
    with pytest.raises(InputError, match="training clip is not finite"):
        fit_linear(train._replace(h=h), val, MULTI_LABEL)
    for strengths in ([], [1.0, 0.0], [-1.0], [math.inf], [math.nan]):
        with pytest.raises(InputError, match="above 0"):
            Linear(strengths).fit(train, SUBSETS, val, MULTI_LABEL)


def test_a_probe_has_the_sizes_and_type_of_a_linear_layer():
    probe, train = fitted(MULTI_LABEL)
    assert isinstance(probe, LinearProbe)
    assert (probe.weight.shape, probe.bias.shape) == ((C, D), (C,))
    assert probe.weight.dtype == probe.bias.dtype == train.h.dtype == torch.float32
