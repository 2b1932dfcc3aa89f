"""Sound from log-mel spectra, so that what a network decodes can be heard."""

from typing import TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchaudio.functional import griffinlim, melscale_fbanks

from musicssl.audio.log_mel import LogMel

_ITERATIONS = 60
_MOMENTUM = 0.99  # of fast Griffin-Lim
_STEPS = 200  # of the search for a spectrum


def frames_are_instances(features: object) -> TypeGuard[LogMel]:
    """Whether features are log-mel spectra of single frames, of which sound can be made."""
    return (
        isinstance(features, LogMel)
        and features.statistics == ("mean",)
        and round(features.hop_seconds * features.sample_rate) == features.hop
        and round(features.instance_seconds * features.sample_rate / features.hop) == 1
    )


def sound_of_frames(features: LogMel, frames: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return sound whose log-mel spectra are close to the given ones.

    The power spectrum is the one without negative values whose bands are closest to those given.
    Its phases are found by the fast algorithm of Griffin and Lim (Perraudin et al. 2013), from
    phases of 0, so that the same frames are the same sound.

    Args:
        features: What the frames are; see `frames_are_instances`.
        frames: (K, B), in the units of the features.

    Returns:
        Samples, ((K - 1) hop).
    """
    decibels = features.floor_db * (1 - torch.from_numpy(np.asarray(frames, np.float64)))
    power = 10 ** (decibels / 10) * features.full_scale_power
    sound = griffinlim(
        _spectrum(power.T, features),
        window=torch.hann_window(features.n_fft, dtype=torch.float64),
        n_fft=features.n_fft,
        hop_length=features.hop,
        win_length=features.n_fft,
        power=2.0,
        n_iter=_ITERATIONS,
        momentum=_MOMENTUM,
        length=None,
        rand_init=False,
    )
    samples: NDArray[np.float32] = sound.float().numpy()
    return samples


def _spectrum(bands: Tensor, features: LogMel) -> Tensor:
    """Return a power spectrum, (n_fft / 2 + 1, K), with given mel bands, (B, K).

    By multiplicative updates for the Kullback-Leibler divergence (Lee and Seung 2001), which keep
    all values positive.
    """
    mels = melscale_fbanks(
        features.n_fft // 2 + 1,
        f_min=0.0,
        f_max=features.sample_rate / 2,
        n_mels=features.num_mels,
        sample_rate=features.sample_rate,
    ).T.double()  # (B, n_fft / 2 + 1)
    weight = mels.sum(dim=0)[:, None].clamp_min(1e-12)
    spectrum: Tensor = mels.T @ bands / weight
    for _ in range(_STEPS):
        spectrum = spectrum * (mels.T @ (bands / (mels @ spectrum).clamp_min(1e-12))) / weight
    return spectrum
