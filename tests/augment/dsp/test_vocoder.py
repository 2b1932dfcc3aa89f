import pytest
import torch
from torchaudio.functional import phase_vocoder

from musicssl.augment.dsp.vocoder import stretch, window_size
from tests.support.tones import RATE, level_db, pitch, tone

SIZE = 1024
HOP = SIZE // 4


def rates(*each):
    return torch.tensor(each, dtype=torch.float64)[:, None]


def noise(num_clips, num_samples=8000):
    torch.manual_seed(0)
    return torch.randn(num_clips, num_samples, dtype=torch.float64)


def test_at_its_own_rate_a_clip_does_not_change():
    x = noise(3)
    torch.testing.assert_close(stretch(x, rates(1, 1, 1), 8000, SIZE), x)


@pytest.mark.parametrize("rate", [0.625, 0.875, 1.0, 1.25])  # places are not rounded
def test_torchaudio_does_the_same_with_one_rate(rate):
    """After silence, in which both agree about the phase from which they start."""
    x = noise(2, 30_000)
    x[:, : 8 * HOP] = 0
    window = torch.hann_window(SIZE, dtype=x.dtype)
    shape = {"n_fft": SIZE, "hop_length": HOP, "window": window}
    spectrum = torch.stft(x, **shape, pad_mode="constant", return_complex=True)
    advance = torch.linspace(0, torch.pi * HOP, SIZE // 2 + 1, dtype=x.dtype)[:, None]
    expected = torch.istft(phase_vocoder(spectrum, rate, advance), **shape)[:, :20_000]
    torch.testing.assert_close(stretch(x, rates(rate, rate), 20_000, SIZE), expected)


def test_each_clip_has_its_own_rate():
    x = noise(20)  # more than are computed at once
    speeds = torch.linspace(0.5, 2, 20, dtype=torch.float64)[:, None]
    alone = [stretch(x[i : i + 1], speeds[i : i + 1], 7000, SIZE) for i in range(20)]
    torch.testing.assert_close(stretch(x, speeds, 7000, SIZE), torch.cat(alone))


@pytest.mark.parametrize("rate", [0.6, 0.97, 1.5])
@pytest.mark.parametrize("hz", [110, 440, 3000])
def test_pitch_and_level_stay(rate, hz):
    y = stretch(tone(hz, 2), rates(rate), RATE, SIZE)
    assert abs(pitch(y) - hz) < 0.05
    assert abs(level_db(y)) < 0.1


def test_frequencies_outside_of_the_band_are_left_out():
    x = tone(1000) + tone(5000)
    y = stretch(x, rates(1), RATE, SIZE, band=rates(0.5))
    torch.testing.assert_close(y[:, 1000:-1000], tone(1000)[:, 1000:-1000], atol=1e-3, rtol=0)


@pytest.mark.parametrize("num_samples", [1, 3, 500])
def test_clips_may_be_shorter_than_a_window(num_samples):
    x = noise(2, num_samples)
    torch.testing.assert_close(stretch(x, rates(1, 1), num_samples, SIZE), x)
    assert stretch(x, rates(0.5, 2), 2 * num_samples, SIZE).isfinite().all()


@pytest.mark.parametrize(("hz", "size"), [(8000, 512), (16_000, 1024), (22_050, 1024), (10, 16)])
def test_a_window_is_the_power_of_two_nearest_to_64_ms(hz, size):
    assert window_size(hz) == size
