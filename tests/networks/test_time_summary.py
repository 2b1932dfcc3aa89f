"""Summaries of embeddings over time, against a loop over clips in NumPy."""

import numpy as np
import pytest
import torch

from musicssl.errors import InputError
from musicssl.networks.time_summary import SUMMARIES, check_summary, over_time

STATISTICS = {"mean": [np.mean], "mean_max": [np.mean, np.max], "mean_std": [np.mean, np.std]}


@pytest.mark.parametrize("summary", SUMMARIES)
@pytest.mark.parametrize("padding", [0.0, 1e6, torch.nan])
def test_valid_instances_alone_are_summarised(summary, padding):
    lengths = [5, 1, 3]
    h = torch.randn(3, 5, 4, dtype=torch.float64)
    valid = torch.arange(5) < torch.tensor(lengths)[:, None]
    found = over_time(h.masked_fill(~valid[..., None], padding), valid, summary)
    for clip, length in enumerate(lengths):
        frames = h[clip, :length].numpy()
        expected = np.concatenate([statistic(frames, axis=0) for statistic in STATISTICS[summary]])
        np.testing.assert_allclose(found[clip], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("summary", SUMMARIES)
def test_without_padding_no_mask_is_needed(summary):
    h = torch.randn(2, 3, 4)
    whole = torch.ones(2, 3, dtype=torch.bool)
    torch.testing.assert_close(over_time(h, None, summary), over_time(h, whole, summary))


def test_other_names_are_refused():
    with pytest.raises(InputError, match="summary must be one of mean, mean_max, mean_std, got x"):
        check_summary("x", "summary")
