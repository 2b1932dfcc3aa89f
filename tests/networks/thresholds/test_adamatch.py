import pytest
import torch

from musicssl.errors import InputError
from musicssl.networks.thresholds.adamatch import AdaMatchThreshold

PRIOR = torch.full((3,), 0.3)


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(8, 3, generator=generator).softmax(dim=1)
    return scores, torch.arange(8) >= 3  # three clips are labelled


def test_the_threshold_is_a_share_of_the_mean_confidence_on_labelled_clips():
    """Oracle: the formula, clip by clip, with a momentum over batches."""
    subject, level = AdaMatchThreshold(3, 0.95, momentum=0.6, one_class_per_clip=True), None
    for seed in range(3):
        scores, unlabelled = batch(seed)
        subject.update(scores, PRIOR, unlabelled)
        mean = sum(max(row) for row in scores[:3].tolist()) / 3
        level = mean if level is None else 0.6 * level + 0.4 * mean
    present, absent = subject.weights(scores, PRIOR)
    for row, weights in zip(scores.tolist(), present.tolist(), strict=True):
        trusted = max(row) >= 0.95 * level
        assert weights == [float(trusted and p == max(row)) for p in row]
    assert 0 < present.sum() < 8
    assert not absent.any()


def test_without_a_labelled_clip_the_threshold_stays():
    subject = AdaMatchThreshold(3, one_class_per_clip=True)
    scores, unlabelled = batch(0)
    subject.update(scores, PRIOR, torch.ones(8, dtype=torch.bool))
    assert subject.confidence.item() == 1
    subject.update(scores, PRIOR, unlabelled)
    before = subject.confidence.item()
    subject.update(batch(1)[0], PRIOR, torch.ones(8, dtype=torch.bool))
    assert subject.confidence.item() == before < 1


def test_a_label_is_a_variable_of_two_outcomes():
    """Oracle: the multi-class threshold of each label alone."""
    scores = torch.rand(20, 3, generator=torch.Generator().manual_seed(1))
    unlabelled = torch.arange(20) >= 5
    together = AdaMatchThreshold(3)
    together.update(scores, PRIOR, unlabelled)
    present, absent = together.weights(scores, PRIOR)
    for c in range(3):
        pairs = torch.stack([scores[:, c], 1 - scores[:, c]], dim=1)
        alone = AdaMatchThreshold(2, one_class_per_clip=True)
        alone.update(pairs, PRIOR[:2], unlabelled)
        expected = alone.weights(pairs, PRIOR[:2])[0]
        assert torch.equal(torch.stack([present[:, c], absent[:, c]], dim=1), expected)


@pytest.mark.parametrize("setting", [{"share": 0.0}, {"momentum": 1.0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=f"thresholds.{next(iter(setting))} must be"):
        AdaMatchThreshold(3, **setting)
