"""Oracles: musicssl's metrics on the repeated clips, and scikit-learn with weights."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, recall_score
from torch.nn.functional import one_hot

from musicssl.evaluation.statistics.resampled_decisions import class_decisions, label_decisions
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL
from tests.support.repeated import draw_counts, measured_on_repeated_clips


def labels(num_clips=40, num_classes=5):
    """Scores, (2, N, C), targets and mask; a class of each kind that is undefined or nearly so."""
    generator = torch.Generator().manual_seed(1)
    scores = torch.rand(2, num_clips, num_classes, generator=generator)
    targets = (torch.rand(num_clips, num_classes, generator=generator) < 0.4).float()
    mask = torch.rand(num_clips, num_classes, generator=generator) < 0.6
    mask[:, 1], targets[:, 2], targets[:, 3] = False, 1, 0
    scores[0, :, 4], scores[1, 3, 4] = 0.1, 0.5  # never decided; at the threshold itself
    return scores, targets, mask


def answered(num_clips=40, num_classes=5):
    """Scores with equal ones, one-hot targets and mask; one class in no clip, one in a single."""
    generator = torch.Generator().manual_seed(2)
    truth = torch.randint(num_classes - 2, (num_clips,), generator=generator)
    truth[4] = num_classes - 1
    scores = torch.rand(2, num_clips, num_classes, generator=generator).round(decimals=1)
    mask = (torch.rand(num_clips, 1, generator=generator) < 0.7).expand(-1, num_classes).clone()
    mask[4] = True
    return scores, one_hot(truth, num_classes).float(), mask


def test_decisions_on_labels_are_counted_as_of_clips_laid_out():
    scores, targets, mask = labels()
    counts = draw_counts(len(mask), 12)
    expected = measured_on_repeated_clips(scores, targets, mask, MULTI_LABEL, counts)
    decided, present = (scores >= 0.5).numpy(), (targets >= 0.5).numpy()
    for name, values in label_decisions(decided, present, mask.numpy(), counts).items():
        np.testing.assert_allclose(values, expected[name], atol=1e-12)


def test_answers_are_counted_as_of_clips_laid_out():
    scores, targets, mask = answered()
    counts = draw_counts(len(mask), 12)
    counts[4, 1] = 0  # without the only clip of a class
    credit = np.random.default_rng(0).random((5, 5)).astype(np.float32)
    expected = measured_on_repeated_clips(scores, targets, mask, MULTI_CLASS, counts, credit)
    result = class_decisions(
        scores.numpy(), targets.numpy() >= 0.5, mask[:, 0].numpy(), credit, counts
    )
    assert set(result) == {"accuracy", "balanced_accuracy", "f1", "weighted_accuracy"}
    for name, values in result.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-6)


def test_answers_agree_with_scikit_learn_which_takes_weights():
    scores, targets, mask = answered()
    known = mask[:, 0].numpy()
    weights = np.random.default_rng(3).integers(1, 9, (len(known), 4)).astype(np.float64)
    result = class_decisions(scores.numpy(), targets.numpy() >= 0.5, known, None, weights)
    truth, guess = targets.numpy().argmax(1)[known], scores[0].numpy().argmax(1)[known]
    classes = np.unique(truth)
    for b, w in enumerate(weights[known].T):
        weighed = {"sample_weight": w, "labels": classes, "average": "macro"}
        expected = {
            "accuracy": accuracy_score(truth, guess, sample_weight=w),
            "balanced_accuracy": recall_score(truth, guess, **weighed),
            "f1": f1_score(truth, guess, **weighed),
        }
        assert {name: values[0, b] for name, values in result.items()} == pytest.approx(expected)


def test_a_resample_without_an_observed_clip_is_undefined():
    scores, targets, _ = answered()
    known = np.arange(40) < 20
    counts = np.where(known, 0.0, 2.0)[:, None]
    credit = np.eye(5)
    result = class_decisions(scores.numpy(), targets.numpy() >= 0.5, known, credit, counts)
    assert all(np.isnan(values).all() for values in result.values())
