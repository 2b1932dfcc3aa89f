"""Batches and projections for tests of contrastive methods."""

import torch

from musicssl.batch import Batch


def seen(num_labelled=4, num_clips=8, seed=0):
    """Two rows to a clip; the first clips are labelled, each class with a probability of a half."""
    generator = torch.Generator().manual_seed(seed)
    y = (torch.rand(num_clips, 3, generator=generator) < 0.5).float().repeat_interleave(2, 0)
    mask = (torch.arange(num_clips) < num_labelled).repeat_interleave(2)[:, None].expand(-1, 3)
    rows = torch.arange(100, 100 + num_clips).repeat_interleave(2)
    return Batch(torch.zeros(2 * num_clips, 1), y, mask, None, rows)


def projections(batch):
    return torch.randn(len(batch.rows), 8, generator=torch.Generator().manual_seed(1))
