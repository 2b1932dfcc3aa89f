import numpy as np
import pytest

from musicssl.augment.sound.filters import HighPass
from musicssl.errors import InputError
from tests.support.filtering import OCTAVE, RATE, butterworth, gain_of_tone, gains


def test_the_response_is_that_of_scipy():
    hz, gain = gains(HighPass(500, 500, RATE, slope_db=4 * OCTAVE))
    np.testing.assert_allclose(gain, butterworth(4, 500, "highpass", hz), atol=2e-3)


@pytest.mark.parametrize("tone", [125, 400, 500, 600, 2000])
@pytest.mark.parametrize("slope_db", [12, 48])
def test_a_tone_is_as_loud_as_the_formula_says(tone, slope_db):
    hz = np.float64(tone)
    expected = 1 / np.sqrt(1 + (500 / hz) ** (2 * slope_db / OCTAVE))
    measured = gain_of_tone(HighPass(500, 500, RATE, slope_db), tone)
    assert measured == pytest.approx(expected, abs=2e-3)


def test_frequencies_in_the_passband_do_not_change():
    hz, gain = gains(HighPass(500, 500, RATE))
    assert np.abs(gain[hz > 1000] - 1).max() < 1e-2


def test_an_invalid_cutoff_is_refused():
    with pytest.raises(InputError, match=r"high_pass\.max_hz=5000 lies above .* 4000 Hz; lower"):
        HighPass(500, 5000, RATE)
    with pytest.raises(InputError, match=r"high_pass\.min_hz must be more than 0, got 0"):
        HighPass(0, 500, RATE)
