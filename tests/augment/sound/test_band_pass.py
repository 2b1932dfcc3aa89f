import numpy as np
import pytest

from musicssl.augment.sound.filters import BandPass
from musicssl.errors import InputError
from tests.support.filtering import OCTAVE, RATE, butterworth, gain_of_tone, gains

CENTRE, WIDTH = 800, 0.5  # from 600 to 1,000 Hz


def fixed(slope_db=48.0):
    return BandPass(CENTRE, CENTRE, WIDTH, WIDTH, RATE, slope_db)


def test_the_response_is_that_of_scipy():
    hz, gain = gains(fixed(4 * OCTAVE))
    np.testing.assert_allclose(gain, butterworth(4, (600, 1000), "bandpass", hz), atol=2e-3)


@pytest.mark.parametrize("edge", [600, 1000])
def test_an_edge_loses_3_db(edge):
    assert gain_of_tone(fixed(), edge) == pytest.approx(0.5**0.5, abs=5e-3)


@pytest.mark.parametrize(("tone", "kept"), [(300, False), (775, True), (2000, False)])
def test_a_tone_within_and_one_without(tone, kept):
    assert gain_of_tone(fixed(), tone) == pytest.approx(float(kept), abs=2e-3)


def test_a_band_that_begins_at_0_hz_is_refused():
    with pytest.raises(InputError, match=r"band_pass\.max_width must be less than 2, .* got 2"):
        BandPass(200, 800, 0.5, 2.0, RATE)
