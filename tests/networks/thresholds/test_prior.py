import numpy as np
import pytest
import torch

from musicssl.errors import InputError
from musicssl.networks.thresholds.prior import PriorMatchedThresholds


def beta_predictions(count=4000, seed=0):
    """Predictions of rare and of common classes that are never as sure as 0.95."""
    rng = np.random.default_rng(seed)
    columns = [rng.beta(a, b, count) for a, b in [(2, 30), (2, 8), (5, 5)]]
    return torch.from_numpy(np.stack(columns, axis=1)).float()


PRIOR = torch.tensor([0.05, 0.2, 0.5])


def test_thresholds_are_the_quantiles_of_each_class():
    thresholds, probs = PriorMatchedThresholds(3, share=0.6), beta_predictions()
    thresholds.update(probs, PRIOR)
    for c, prior in enumerate(PRIOR.tolist()):
        upper = np.quantile(probs[:, c].numpy(), 1 - 0.6 * prior)
        lower = np.quantile(probs[:, c].numpy(), 0.6 * (1 - prior))
        assert thresholds.upper[c].item() == pytest.approx(upper, rel=1e-4)
        assert thresholds.lower[c].item() == pytest.approx(lower, rel=1e-4)


def test_each_class_trusts_positives_as_often_as_its_prior_says():
    """One pair of thresholds for all, 0.95 and 0.05, would trust negatives alone here."""
    thresholds, probs = PriorMatchedThresholds(3, share=0.5), beta_predictions()
    thresholds.update(probs, PRIOR)
    present, absent = thresholds.select(probs, PRIOR)
    torch.testing.assert_close(present.float().mean(0), 0.5 * PRIOR, atol=1e-3, rtol=0)
    torch.testing.assert_close(absent.float().mean(0), 0.5 * (1 - PRIOR), atol=1e-3, rtol=0)
    assert not (probs[:, :2] >= 0.95).any()
    assert (probs <= 0.05).any()


def test_with_a_share_of_one_every_cell_is_trusted_once():
    thresholds, probs = PriorMatchedThresholds(3, share=1.0), beta_predictions(101)
    thresholds.update(probs, PRIOR)
    present, absent = thresholds.select(probs, PRIOR)
    assert not (present & absent).any()
    assert (present | absent).float().mean() > 0.98  # what lies between two neighbours is left out


def test_quantiles_move_with_momentum_and_start_with_the_first_batch():
    thresholds = PriorMatchedThresholds(3, momentum=0.8)
    first, second = beta_predictions(seed=1), beta_predictions(seed=2) / 2
    alone = []
    for probs in (first, second):
        fresh = PriorMatchedThresholds(3)
        fresh.update(probs, PRIOR)
        alone.append(fresh.upper)
        thresholds.update(probs, PRIOR)
    torch.testing.assert_close(thresholds.upper, 0.8 * alone[0] + 0.2 * alone[1])


def test_a_class_that_never_occurs_is_never_called_present():
    thresholds, probs = PriorMatchedThresholds(3), beta_predictions()
    prior = torch.tensor([0.0, 0.2, 1.0])
    thresholds.update(probs, prior)
    present, absent = thresholds.select(probs, prior)
    assert not present[:, 0].any()
    assert not absent[:, 2].any()
    assert present[:, 1].any()


def test_a_class_that_was_never_observed_is_trusted_in_nothing():
    thresholds, probs = PriorMatchedThresholds(3), beta_predictions()
    prior = torch.tensor([torch.nan, 0.2, 0.5])
    thresholds.update(probs, prior)
    present, absent = thresholds.select(probs, prior)
    assert not (present | absent)[:, 0].any()
    known = PriorMatchedThresholds(3)
    known.update(probs, torch.tensor([0.1, 0.2, 0.5]))
    for found, expected in ((thresholds.upper, known.upper), (thresholds.lower, known.lower)):
        torch.testing.assert_close(found[1:], expected[1:])


def softmax_predictions(count=3000, seed=0):
    """Predictions of three classes, the first of which is predicted much too often."""
    logits = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return (2 * logits + torch.tensor([2.0, 0.0, -1.0])).softmax(dim=1)


def test_with_one_class_a_clip_the_most_confident_clips_of_each_class_are_selected():
    """Against a loop; a class that is predicted too often gets no more than its share."""
    prior = torch.tensor([0.2, 0.5, 0.3])
    thresholds = PriorMatchedThresholds(3, share=0.4, one_class_per_clip=True)
    probs = softmax_predictions()
    thresholds.update(probs, prior)
    present, absent = thresholds.weights(probs, prior)
    least = [np.quantile(probs[:, c].numpy(), 1 - 0.4 * prior[c].item()) for c in range(3)]
    expected = torch.zeros_like(probs)
    for clip, row in enumerate(probs.tolist()):
        answer = max(range(3), key=row.__getitem__)
        if row[answer] >= least[answer]:
            expected[clip, answer] = 1
    torch.testing.assert_close(present, expected)
    assert not absent.any()
    assert (present.mean(dim=0) <= 0.4 * prior + 1e-3).all()
    assert (probs.argmax(dim=1) == 0).float().mean() > 0.5


def test_the_share_grows_from_step_to_step():
    grown = PriorMatchedThresholds(3, share=0.8, momentum=0.0, growth_steps=4)
    probs = beta_predictions()
    for step, share in enumerate((0.2, 0.4, 0.6, 0.8, 0.8)):
        at_once = PriorMatchedThresholds(3, share=share)
        at_once.update(probs, PRIOR)
        grown.update(probs, PRIOR)
        torch.testing.assert_close(grown.upper, at_once.upper, msg=str(step))
        torch.testing.assert_close(grown.lower, at_once.lower, msg=str(step))


@pytest.mark.parametrize(
    "setting", [{"share": 0.0}, {"share": 1.5}, {"momentum": 1.0}, {"growth_steps": -1}]
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=f"thresholds.{next(iter(setting))} must be"):
        PriorMatchedThresholds(3, **setting)
