import numpy as np
import pytest
import torch

from musicssl.augment.sound.reverb import Reverb
from musicssl.errors import InputError

RATE = 8000  # Hz


def rooms(transform, num_clips=20, samples=8000):
    """What impulses become."""
    torch.manual_seed(0)
    x = torch.zeros(num_clips, samples, dtype=torch.float64)
    x[:, 0] = 1
    return transform(x)


def reverberation_times(responses):
    """Schroeder's way: the slope of the energy still to come, from -5 to -25 dB, in s to -60 dB."""
    energy = responses.square().flip(1).cumsum(dim=1).flip(1).numpy()
    times = []
    share = np.maximum(energy / energy[:, :1], 1e-30)  # some FFTs leave a tail of exact zeros
    for decay in 10 * np.log10(share):
        part = np.flatnonzero((decay < -5) & (decay > -25))
        slope = np.polyfit(part / RATE, decay[part], 1)[0]
        times.append(-60 / slope)
    return np.array(times)


def test_a_room_loses_60_db_in_its_time():
    times = reverberation_times(rooms(Reverb(0.4, 0.4, 1.0, RATE), num_clips=150))
    assert times.mean() == pytest.approx(0.4, rel=0.01)


def test_times_fill_their_range():
    times = reverberation_times(rooms(Reverb(0.2, 0.8, 1.0, RATE), num_clips=200))
    assert times.min() == pytest.approx(0.2, rel=0.15)
    assert times.max() == pytest.approx(0.8, rel=0.15)
    assert times.mean() == pytest.approx(0.5, abs=5 * 0.6 / 12**0.5 / 200**0.5)


def test_a_room_has_an_energy_of_1():
    energy = rooms(Reverb(0.1, 0.8, 1.0, RATE)).square().sum(dim=1)
    torch.testing.assert_close(energy, torch.ones_like(energy))


def test_dry_and_wet_sound_are_mixed_and_the_wet_one_is_a_convolution():
    torch.manual_seed(0)
    x = torch.randn(3, 3000, dtype=torch.float64)
    lengths = torch.tensor([3000, 1000, 1])
    responses = rooms(Reverb(0.1, 0.3, 1.0, RATE), 3, 3000)
    torch.manual_seed(0)
    y = Reverb(0.1, 0.3, 0.25, RATE)(x, lengths)
    for clip, length, room, result in zip(x, lengths, responses, y, strict=True):
        wet = np.convolve(clip[:length].numpy(), room.numpy())[:length]
        expected = 0.75 * clip[:length].numpy() + 0.25 * wet
        np.testing.assert_allclose(result[:length].numpy(), expected, atol=1e-10)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((0, 1, 0.5, RATE), r"reverb\.min_seconds must be more than 0"),
        ((2, 1, 0.5, RATE), r"reverb\.min_seconds=2 is larger"),
        ((1, 2, 1.5, RATE), r"reverb\.wet must lie between 0"),
    ],
)
def test_an_invalid_room_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Reverb(*settings)
