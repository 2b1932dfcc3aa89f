"""MP3 compression."""

import sys

import pytest
import torch

from musicssl.augment.sound.mp3 import MP3
from musicssl.errors import InputError
from tests.support.tones import RATE, level_db, pitch, tone


def noise(num_samples=10_000, num_clips=1):
    """Noise below a quarter of the sample rate, which MP3 keeps, (B, S)."""
    torch.manual_seed(0)
    spectrum = torch.randn(num_clips, num_samples // 2 + 1, dtype=torch.complex64)
    spectrum[:, num_samples // 4 :] = 0
    sound = torch.fft.irfft(spectrum, n=num_samples)
    return 0.1 * sound / sound.std()


def signal_to_noise_db(x, y):
    return 10 * torch.log10(x.square().mean() / (y - x).square().mean()).item()


@pytest.mark.parametrize("num_samples", [1152, 1153, 5000, 10_000])
def test_a_clip_stays_where_it_was_in_time(num_samples):
    x = noise(num_samples)
    y = MP3(0, RATE)(x)
    size = 1 << 15
    spectra = torch.fft.rfft(y, n=size) * torch.fft.rfft(x, n=size).conj()
    assert torch.fft.irfft(spectra, n=size).argmax() == 0
    assert signal_to_noise_db(x, y) > 15


def test_a_tone_stays_a_tone():
    y = MP3(9, RATE)(tone(440))
    assert pitch(y) == pytest.approx(440, abs=0.1)
    assert abs(level_db(y)) < 0.5


def test_a_smaller_file_is_worse():
    x = noise(30_000)
    ratios = [signal_to_noise_db(x, MP3(quality, RATE)(x)) for quality in (0, 4.5, 9)]
    assert ratios[0] > ratios[1] + 2 > ratios[2] + 4


@pytest.mark.parametrize("num_samples", [1, 10])
def test_a_clip_may_be_shorter_than_a_frame(num_samples):
    y = MP3(9, RATE)(noise(100)[:, :num_samples])
    assert y.shape == (1, num_samples)
    assert y.isfinite().all()


def test_each_clip_goes_through_a_file_of_its_own():
    x = noise(num_clips=3)
    y = MP3(5, RATE)(x, torch.tensor([10_000, 4000, 0]))
    assert torch.equal(y[:1], MP3(5, RATE)(x[:1]))
    assert torch.equal(y[1:2, :4000], MP3(5, RATE)(x[1:2, :4000]))


@pytest.mark.parametrize(("quality", "rate"), [(-1, RATE), (9.5, RATE), (5, 17_000)])
def test_an_unsupported_quality_or_rate_is_refused(quality, rate):
    with pytest.raises(InputError, match=r"mp3\."):
        MP3(quality, rate)


def test_clips_are_compressed_at_the_same_time(monkeypatch):
    """Python's lock is free while LAME works: with a lock that nobody asks for, both begin."""
    order = []
    through_file = MP3._through_file

    def noted(self, clip):
        order.append("begun")
        result = through_file(self, clip)
        order.append("done")
        return result

    monkeypatch.setattr(MP3, "_through_file", noted)
    monkeypatch.setattr("musicssl.augment.sound.mp3.cpu_count", lambda: 2)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # seconds until a thread must let the other one run
    try:
        MP3(5, RATE)(noise(100_000, num_clips=2))
    finally:
        sys.setswitchinterval(interval)
    assert order == ["begun", "begun", "done", "done"]
