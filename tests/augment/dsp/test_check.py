import math

import pytest

from musicssl.augment.dsp.check import check_fraction, check_positive, check_range, check_strength
from musicssl.augment.instances.feature_gain import FeatureGain
from musicssl.augment.instances.feature_mask import FeatureMask
from musicssl.augment.instances.gain import Gain
from musicssl.augment.instances.noise import Noise
from musicssl.augment.instances.tilt import Tilt
from musicssl.augment.instances.time_mask import TimeMask
from musicssl.errors import InputError


@pytest.mark.parametrize("value", [0, 0.3, 1, 20.0])
def test_a_strength_is_returned(value):
    assert check_strength("noise.std", value) == value


@pytest.mark.parametrize("value", [-1e-9, math.inf, math.nan])
def test_an_invalid_strength_is_refused(value):
    with pytest.raises(InputError, match=r"noise\.std must be 0 \(off\) or more, got"):
        check_strength("noise.std", value)


@pytest.mark.parametrize("value", [0, 0.3, 1])
def test_a_fraction_is_returned(value):
    assert check_fraction("time_mask.max_fraction", value) == value


@pytest.mark.parametrize("value", [-0.1, 1.1, 30, math.nan])
def test_a_fraction_outside_its_range_is_refused(value):
    with pytest.raises(InputError, match=r"time_mask\.max_fraction must lie between 0 \(off\) and"):
        check_fraction("time_mask.max_fraction", value)


@pytest.mark.parametrize("value", [0.001, 44_100])
def test_a_positive_number_is_returned(value):
    assert check_positive("delay.sample_rate", value) == value


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_a_number_that_is_not_positive_is_refused(value):
    with pytest.raises(InputError, match=r"delay\.sample_rate must be more than 0, got"):
        check_positive("delay.sample_rate", value)


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ((2, 1), r"delay\.min_ms=2 is larger than delay\.max_ms=1; exchange them"),
        ((math.nan, 1), r"delay\.min_ms must be a finite number, got nan"),
        ((1, math.inf), r"delay\.max_ms must be a finite number, got inf"),
    ],
)
def test_an_invalid_range_is_refused(ends, message):
    check_range("delay", min_ms=1, max_ms=1)
    with pytest.raises(InputError, match=message):
        check_range("delay", min_ms=ends[0], max_ms=ends[1])


@pytest.mark.parametrize(
    ("transform", "name"),
    [
        (Noise, "noise.std"),
        (FeatureGain, "feature_gain.std"),
        (Gain, "gain.max_shift"),
        (Tilt, "tilt.max_tilt"),
        (TimeMask, "time_mask.max_fraction"),
        (FeatureMask, "feature_mask.max_fraction"),
    ],
)
def test_every_transform_names_the_number_that_it_refuses(transform, name):
    with pytest.raises(InputError, match=f"^{name} must .* got -1"):
        transform(-1)
