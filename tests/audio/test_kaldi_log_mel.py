import numpy as np
import pytest
import torch

from musicssl.audio.kaldi_log_mel import KaldiLogMelFrontend


def by_the_formula(sound, rate, num_mels):
    """Frame by frame, in double precision."""
    emphasised = np.array([sound[n] - 0.97 * sound[n - 1] for n in range(1, len(sound))])
    padded = np.pad(emphasised, 512, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 799)

    def mel(hertz):
        return 1127 * np.log(1 + hertz / 700)

    edges = np.linspace(mel(20), mel(rate / 2), num_mels + 2)
    bins = mel(np.arange(512) * rate / 1024)
    frames = []
    for start in range(0, len(emphasised) + 1, 320):
        inside = padded[start + 112 : start + 912] * window
        power = np.abs(np.fft.rfft(inside, 1024))[:512] ** 2
        bands = []
        for low, centre, high in zip(edges, edges[1:], edges[2:], strict=False):
            triangle = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
            bands.append((np.maximum(triangle, 0) * power).sum())
        frames.append((np.log(np.array(bands) + 1e-5) + 3.7) / 3.1)
    return np.array(frames).T


@pytest.mark.parametrize(("rate", "num_mels"), [(32_000, 128), (16_000, 96)])
def test_spectra_follow_the_formula(rate, num_mels):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 3_200)
    frontend = KaldiLogMelFrontend(rate, num_mels)
    spectra = frontend(torch.from_numpy(sound)[None].float())[0].numpy()
    assert spectra.shape == (num_mels, frontend.num_frames(3_200)) == (num_mels, 10)
    np.testing.assert_allclose(spectra, by_the_formula(sound, rate, num_mels), atol=2e-3)


def test_nothing_is_stored_in_a_checkpoint():
    assert not KaldiLogMelFrontend(16_000, 96).state_dict()
