"""Embeddings of clips whose classes lie around centres, partly observed."""

import math

import torch

from musicssl.probing.base import Embeddings

N, C, P = 40, 3, 5
NAN = math.nan


def clips(seed=0, observed=0.6):
    generator = torch.Generator().manual_seed(seed)
    y = (torch.rand(N, C, generator=generator) < 0.4).float()
    mask = torch.rand(N, C, generator=generator) < observed
    centres = torch.randn(C, P, generator=torch.Generator().manual_seed(7))
    h = y @ centres + 0.5 * torch.randn(N, P, generator=generator)
    h = h * torch.rand(N, 1, generator=generator) * 10
    return Embeddings(h, y.where(mask, NAN), mask)
