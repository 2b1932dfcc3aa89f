"""Statistics of some clips of a batch, by arithmetic, are those of these clips selected."""

import pytest
import torch

from musicssl.networks.thresholds.freematch import FreeMatchThresholds
from musicssl.networks.thresholds.prior import PriorMatchedThresholds
from musicssl.networks.thresholds.softmatch import SoftMatchWeights

KINDS = [FreeMatchThresholds, PriorMatchedThresholds, SoftMatchWeights]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1, 2, 7, 12])
def test_clips_that_do_not_count_change_nothing(kind, count):
    torch.manual_seed(count)
    prior = torch.tensor([0.1, 0.5, 0.9])
    masked, selected = kind(num_classes=3, momentum=0.5), kind(num_classes=3, momentum=0.5)
    for _ in range(3):
        scores, counted = torch.rand(12, 3), torch.randperm(12) < count
        masked.update(scores, prior, counted)
        if count:  # the caller left the statistics alone if there was no clip
            selected.update(scores[counted], prior)
    for name, statistic in selected.named_buffers():
        torch.testing.assert_close(masked.get_buffer(name), statistic, msg=name)
