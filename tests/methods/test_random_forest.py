import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.evaluation.metrics import per_class_metrics
from musicssl.methods.random_forest import RandomForest


def clips(num_clips=80, seed=0):
    """Three classes, the first two of which show in the features; half of the labels unknown."""
    rng = np.random.default_rng(seed)
    y = (rng.random((num_clips, 3)) < 0.4).astype(np.float32)
    x = rng.normal(size=(num_clips, 4, 5)).astype(np.float32)
    x[:, :, :2] += y[:, None, :2]
    mask = rng.random(y.shape) < 0.5
    return Batch(*map(torch.from_numpy, (x, y, mask)))


def forest(**settings):
    defaults = {"num_features": 5, "num_instances": 4, "num_classes": 3, "num_trees": 10}
    return RandomForest(**(defaults | settings))


def fitted(train, **settings):
    method = forest(**settings)
    method.fit(train)
    return method


@pytest.mark.parametrize("summary", ["mean", "mean_std"])
def test_each_class_is_scikit_learns_forest_on_its_observed_clips(summary):
    train, test = clips(seed=0), clips(seed=1)
    method = fitted(train, summary=summary, max_depth=3)

    def features(x):
        x = x.numpy()
        if summary == "mean":
            return x.mean(axis=1)
        return np.concatenate([x.mean(axis=1), x.std(axis=1)], axis=1)

    for c in range(3):
        seen = train.mask[:, c].numpy()
        reference = RandomForestClassifier(
            10, max_depth=3, random_state=method.forests[c].random_state
        )
        reference.fit(features(train.x)[seen], train.y[seen, c].numpy() >= 0.5)
        expected = reference.predict_proba(features(test.x))[:, 1]
        np.testing.assert_allclose(method.scores(test)[:, c], expected, rtol=1e-6)
    seeds = [one.random_state for one in method.forests]
    assert len(set(seeds)) == 3


def test_targets_that_are_probabilities_count_from_one_half_up():
    train = clips()
    soft = train._replace(y=0.4 + 0.2 * train.y)  # 0.4 and 0.6
    assert torch.equal(fitted(soft).scores(train), fitted(train).scores(train))


def test_what_was_not_observed_does_not_count():
    train, test = clips(), clips(seed=1)
    other = train._replace(y=train.y.where(train.mask, torch.nan))
    assert torch.equal(fitted(train).scores(test), fitted(other).scores(test))


def test_scores_rank_better_than_the_decisions_made_of_them():
    """The paper's AUROC came from hard decisions: recall by another name."""
    train, test = clips(400), clips(400, seed=1)
    scores = fitted(train, num_trees=50).scores(test)
    seen = torch.ones_like(test.mask)
    soft = per_class_metrics(scores, test.y, seen)["auroc"]
    hard = per_class_metrics((scores >= 0.5).float(), test.y, seen)["auroc"]
    assert len(scores[:, 0].unique()) > 50
    assert (soft[:2] > hard[:2] + 0.02).all()


def test_a_class_that_was_never_observed_is_undecided():
    train = clips()
    train.mask[:, 1] = False
    scores = fitted(train).scores(train)
    assert (scores[:, 1] == 0.5).all()
    assert len(scores[:, 0].unique()) > 2


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_class_seen_in_one_value_only_is_predicted_so(value):
    train = clips()
    train.y[:, 2] = value
    assert (fitted(train).scores(train)[:, 2] == value).all()


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing():
    train = clips()
    alone, together = fitted(train, num_workers=1), fitted(train, num_workers=2)
    assert torch.equal(alone.scores(train), together.scores(train))


def test_the_seed_changes_the_forests():
    train, test = clips(), clips(seed=1)
    assert torch.equal(fitted(train, seed=1).scores(test), fitted(train, seed=1).scores(test))
    assert not torch.equal(fitted(train, seed=1).scores(test), fitted(train, seed=2).scores(test))


@pytest.mark.parametrize("summary", ["mean", "mean_std"])
def test_padding_is_left_out_of_the_summary(summary):
    train = clips()
    padding = torch.full((80, 2, 5), 1e6)
    padded = train._replace(x=torch.cat([train.x, padding], dim=1), lengths=torch.full((80,), 4))
    plain = fitted(train, summary=summary)
    torch.testing.assert_close(plain.scores(padded), plain.scores(train))
    assert torch.equal(fitted(padded, summary=summary).scores(train), plain.scores(train))


@pytest.mark.parametrize("settings", [{"num_trees": 0}, {"max_depth": -1}])
def test_numbers_that_no_forest_has_are_refused_before_training(settings):
    with pytest.raises(InputError, match=f"method.{next(iter(settings))} must be a whole number"):
        RandomForest(8, 5, 3, **settings)
