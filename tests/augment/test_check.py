import math

import pytest

from musicssl.augment.check import check_fraction, check_strength
from musicssl.augment.feature_gain import FeatureGain
from musicssl.augment.feature_mask import FeatureMask
from musicssl.augment.gain import Gain
from musicssl.augment.noise import Noise
from musicssl.augment.tilt import Tilt
from musicssl.augment.time_mask import TimeMask
from musicssl.errors import InputError


@pytest.mark.parametrize("value", [0, 0.3, 1, 20.0])
def test_a_strength_is_returned(value):
    assert check_strength("noise.std", value) == value


@pytest.mark.parametrize("value", [-1e-9, math.inf, math.nan])
def test_a_strength_that_is_none_is_refused(value):
    with pytest.raises(InputError, match=r"noise\.std must be 0 \(off\) or more, got"):
        check_strength("noise.std", value)


@pytest.mark.parametrize("value", [0, 0.3, 1])
def test_a_fraction_is_returned(value):
    assert check_fraction("time_mask.max_fraction", value) == value


@pytest.mark.parametrize("value", [-0.1, 1.1, 30, math.nan])
def test_a_fraction_outside_its_range_is_refused(value):
    with pytest.raises(InputError, match=r"time_mask\.max_fraction must lie between 0 \(off\) and"):
        check_fraction("time_mask.max_fraction", value)


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
