import pytest
import torch

from musicssl.errors import InputError
from musicssl.networks.alignment import DistributionAlignment


def halves(num_classes, seed=0, count=12):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, num_classes, generator=generator).softmax(dim=1)
    observed = torch.zeros(count, num_classes, dtype=torch.bool)
    observed[: count // 2] = True
    return scores, observed


def test_predictions_are_scaled_by_the_ratio_of_the_means():
    """Oracle: AdaMatch's formula on the batch, clip by clip."""
    scores, observed = halves(3)
    subject = DistributionAlignment(3, momentum=0.0, one_class_per_clip=True)
    subject.update(scores, observed)
    ratio = [(scores[:6, c].mean() / scores[6:, c].mean()).item() for c in range(3)]
    for before, after in zip(scores.tolist(), subject(scores).tolist(), strict=True):
        scaled = [p * r for p, r in zip(before, ratio, strict=True)]
        assert after == pytest.approx([p / sum(scaled) for p in scaled], rel=1e-5)


@pytest.mark.parametrize("one_class", [True, False])
def test_a_uniform_model_stays_uniform(one_class):
    num_classes = 4
    scores = torch.full((8, 4), 0.25 if one_class else 0.5)
    subject = DistributionAlignment(num_classes, 0.9, one_class)
    subject.update(scores, halves(4, count=8)[1])
    torch.testing.assert_close(subject(scores), scores)


def test_equal_populations_change_nothing():
    scores, observed = halves(3)
    scores[6:] = scores[:6]
    subject = DistributionAlignment(3, 0.9, one_class_per_clip=True)
    subject.update(scores, observed)
    torch.testing.assert_close(subject(scores), scores)


def test_a_label_is_a_softmax_over_present_and_absent():
    scores, observed = halves(3)
    subject = DistributionAlignment(3, 0.0, one_class_per_clip=False)
    subject.update(scores, observed)
    for c in range(3):
        pairs = torch.stack([scores[:, c], 1 - scores[:, c]], dim=1)
        alone = DistributionAlignment(2, 0.0, one_class_per_clip=True)
        alone.update(pairs, observed[:, :2])
        torch.testing.assert_close(subject(scores)[:, c], alone(pairs)[:, 0])


def test_means_move_with_momentum_and_start_with_the_first_batch():
    subject = DistributionAlignment(3, 0.8, one_class_per_clip=True)
    batches = [halves(3, seed) for seed in range(2)]
    for batch in batches:
        subject.update(*batch)
    expected = 0.8 * batches[0][0][:6].mean(0) + 0.2 * batches[1][0][:6].mean(0)
    torch.testing.assert_close(subject.labelled, expected)
    subject.update(batches[0][0], torch.ones(12, 3, dtype=torch.bool))  # no unlabelled clip
    torch.testing.assert_close(subject.labelled, expected)


def test_a_momentum_out_of_range_is_refused():
    with pytest.raises(InputError, match=r"method\.alignment must be in"):
        DistributionAlignment(3, 1.0, one_class_per_clip=True)


def test_a_uniform_average_is_reached_whatever_the_labelled_clips_are():
    """Oracle: SimMatch's formula, p over the mean p of unlabelled clips, normalised."""
    scores, observed = halves(3)
    subject = DistributionAlignment(3, 0.9, one_class_per_clip=True, uniform=True)
    subject.update(scores, observed)
    means = scores[6:].mean(dim=0).tolist()
    for before, after in zip(scores.tolist(), subject(scores).tolist(), strict=True):
        scaled = [p / m for p, m in zip(before, means, strict=True)]
        assert after == pytest.approx([p / sum(scaled) for p in scaled], rel=1e-5)
    subject.update(scores, torch.zeros(12, 3, dtype=torch.bool))  # no labelled clip
    expected = 0.9 * scores[6:].mean(dim=0) + 0.1 * scores.mean(dim=0)
    torch.testing.assert_close(subject.unlabelled, expected)
