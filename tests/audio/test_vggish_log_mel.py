"""Oracle: the formula, in double precision and with loops."""

import numpy as np
import torch

from musicssl.audio.vggish_log_mel import VGGishLogMel


def mel(frequency):
    return 1127 * np.log(1 + frequency / 700)


def by_hand(sound):
    """Spectra of sound, (S,) -> (T, 64)."""
    n, k = np.arange(400), np.arange(257)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 400)
    waves = np.exp(-2j * np.pi * np.outer(k, n) / 512)
    edges = np.linspace(mel(125), mel(7500), 66)
    spectra = []
    for start in range(0, len(sound) - 400 + 1, 160):
        magnitude = np.abs(waves @ (sound[start : start + 400] * window))
        bands = np.zeros(64)
        for band in range(64):
            low, centre, high = edges[band : band + 3]
            for line in range(257):
                at = mel(line * 16_000 / 512)
                height = min((at - low) / (centre - low), (high - at) / (high - centre))
                bands[band] += max(0, height) * magnitude[line]
        spectra.append(np.log(bands + 0.01))
    return np.array(spectra)


def test_spectra_follow_the_formula():
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 400 + 3 * 160 + 100)
    found = VGGishLogMel()(torch.from_numpy(sound)[None])[0]
    assert found.shape == (64, 4)
    np.testing.assert_allclose(found.T, by_hand(sound), atol=1e-4)


def test_silence_is_the_logarithm_of_the_offset():
    found = VGGishLogMel()(torch.zeros(1, 15_600))
    assert found.shape == (1, 64, 96)
    torch.testing.assert_close(found, torch.full_like(found, np.log(0.01)))


def test_a_tone_is_loudest_in_its_band():
    """1,000 Hz is mel 1,000.0, in the triangle whose centre is nearest."""
    sound = torch.sin(2 * torch.pi * 1000 * torch.arange(16_000) / 16_000)
    centres = np.linspace(mel(125), mel(7500), 66)[1:-1]
    found = VGGishLogMel()(sound[None])[0].mean(dim=1)
    assert found.argmax() == np.abs(centres - mel(1000)).argmin()


def test_spectra_have_float32_in_any_precision():
    sound = torch.rand(1, 800) - 0.5
    frontend = VGGishLogMel()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(frontend(sound), VGGishLogMel()(sound))
    assert not frontend.state_dict()
