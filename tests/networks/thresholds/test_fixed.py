import pytest
import torch

from musicssl.errors import InputError
from musicssl.networks.thresholds.fixed import FixedThreshold

PRIOR = torch.full((3,), 0.3)


def test_a_clip_is_selected_for_its_most_probable_class():
    scores = torch.tensor([[0.96, 0.03, 0.01], [0.5, 0.3, 0.2], [0.02, 0.03, 0.95]])
    present, absent = FixedThreshold(3, 0.95, one_class_per_clip=True).weights(scores, PRIOR)
    assert present.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert not absent.any()


def test_a_label_is_selected_as_present_or_as_absent():
    scores = torch.tensor([[0.96, 0.5, 0.04], [0.94, 0.95, 0.06]])
    present, absent = FixedThreshold(3, 0.95).weights(scores, PRIOR)
    assert present.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert absent.tolist() == [[0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("threshold", [0.0, 1.2])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(InputError, match=r"thresholds\.threshold must be in"):
        FixedThreshold(3, threshold)
