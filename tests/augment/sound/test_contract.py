"""What every transform of sound promises, whatever it does."""

import math
from itertools import combinations
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from musicssl.augment.chain import Chain
from musicssl.augment.one_of import OneOf
from musicssl.augment.published import published_chain
from musicssl.augment.sometimes import Sometimes
from musicssl.augment.sound.bit_crush import BitCrush
from musicssl.augment.sound.chorus import Chorus
from musicssl.augment.sound.coloured_noise import ColouredNoise
from musicssl.augment.sound.compression import Compression
from musicssl.augment.sound.delay import Delay
from musicssl.augment.sound.distortion import Distortion
from musicssl.augment.sound.filters import BandPass, BandStop, HighPass, LowPass
from musicssl.augment.sound.level import Level
from musicssl.augment.sound.mp3 import MP3
from musicssl.augment.sound.pitch_shift import PitchShift
from musicssl.augment.sound.polarity import Polarity
from musicssl.augment.sound.reverb import Reverb
from musicssl.augment.sound.reverse import Reverse
from musicssl.augment.sound.splice_out import SpliceOut
from musicssl.augment.sound.time_stretch import TimeStretch
from musicssl.augment.sound.white_noise import WhiteNoise
from musicssl.batch import valid_instances
from tests.support.contract import (
    assert_padding_is_not_heard,
    assert_same_kind,
    assert_seed_alone_decides,
    seeded,
)

RATE = 8000  # Hz
SAMPLES = 2000
CONF = Path(__file__).parents[3] / "conf" / "augment"

BATCHED = {
    "level": Level(6.0),
    "level_down": Level(5.0, min_db=-15.0),
    "white_noise": WhiteNoise(0, 20),
    "coloured_noise": ColouredNoise(3, 30, -6, 6),
    "low_pass": LowPass(100, 2000, RATE),
    "high_pass": HighPass(200, 2000, RATE),
    "band_pass": BandPass(200, 2000, 0.5, 1.5, RATE),
    "band_stop": BandStop(200, 2000, 0.5, 1.5, RATE),
    "delay": Delay(0, 50, 0.5, 3, RATE),
    "reverb": Reverb(0.05, 0.4, 0.5, RATE),
    "chorus": Chorus(5, 3, 3, 0.5, RATE),
    "pitch_shift": PitchShift(4, RATE),
    "time_stretch": TimeStretch(0.7, 1.3, RATE),
    "splice_out": SpliceOut(3, 40, RATE),
    "distortion": Distortion(3, 9),
    "chain": Chain(level=Level(3.0), noise=WhiteNoise(10, 20), delay=Delay(1, 9, 0.5, 1, RATE)),
}
CHOOSING = {  # these must know on the host which clips they change
    "sometimes": Sometimes(Level(6.0), 0.7),
    "one_of": OneOf(level=Level(6.0), low_pass=LowPass(100, 2000, RATE)),
    "published": published_chain(5, RATE),
}
TRANSFORMS = BATCHED | CHOOSING
DISCRETE = {  # two clips may be changed alike
    "polarity": Polarity(0.5),
    "reverse": Reverse(0.5),
}
FIXED = {  # these draw nothing
    "compression": Compression(-40, 4, 1, 50, RATE),
    "bit_crush": BitCrush(5),
    "mp3": MP3(9, RATE),
}
RANDOM = TRANSFORMS | DISCRETE
ALL = RANDOM | FIXED
each_transform = pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
batched = pytest.mark.parametrize("transform", BATCHED.values(), ids=BATCHED.keys())
random = pytest.mark.parametrize("transform", RANDOM.values(), ids=RANDOM.keys())
every = pytest.mark.parametrize("transform", ALL.values(), ids=ALL.keys())
LENGTHS = torch.tensor([2000, 900, 1100, 1999, 1000, 2000])
VALID = valid_instances(LENGTHS, SAMPLES)


def clips(num_clips=6, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    return (0.1 * torch.randn(num_clips, SAMPLES, generator=generator)).to(dtype)


@every
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_sound_of_the_same_kind_is_returned(transform, lengths, dtype):
    assert_same_kind(transform, clips(dtype=dtype), lengths)


@random
def test_the_seed_alone_decides(transform):
    assert_seed_alone_decides(transform, clips(), LENGTHS)


@every
@pytest.mark.parametrize("padding", [-1e6, math.nan, math.inf])
def test_padding_does_not_reach_a_valid_sample(transform, padding):
    assert_padding_is_not_heard(transform, clips(), LENGTHS, VALID, padding)


@every
def test_no_lengths_are_full_lengths(transform):
    full = torch.full((6,), SAMPLES)
    torch.testing.assert_close(seeded(transform, clips()), seeded(transform, clips(), full))


@each_transform
def test_equal_clips_are_changed_each_in_its_own_way(transform):
    x = clips(num_clips=1).expand(6, -1)
    changed = [clip for clip in seeded(transform, x) if not torch.equal(clip, x[0])]
    assert len(changed) > 2
    assert not any(torch.equal(a, b) for a, b in combinations(changed, 2))


@every
def test_a_clip_does_not_depend_on_the_others(transform):
    x = clips()
    others = x.clone()
    others[1:] = 7.0
    torch.testing.assert_close(seeded(transform, others)[0], seeded(transform, x)[0])


@every
def test_a_silent_clip_becomes_no_nonsense(transform):
    x = clips()
    x[::2] = 0
    y = seeded(transform, x, LENGTHS)
    assert y.isfinite().all()
    assert y[::2].abs().max() < 1e-6


@batched
def test_no_value_is_read_back_from_the_device(transform):
    """Tensors without values refuse whatever would make a GPU wait: item(), masks as indices."""
    x = torch.empty(6, SAMPLES, device="meta")
    for lengths in (None, torch.empty(6, device="meta", dtype=torch.int64)):
        assert transform(x, lengths).device.type == "meta"


@pytest.mark.parametrize(
    "off",
    [
        Level(0.0),
        Polarity(0.0),
        PitchShift(0.0, RATE),
        TimeStretch(1.0, 1.0, RATE),
        SpliceOut(0, 40, RATE),
        Compression(-40, 1.0, 1, 50, RATE),
        Reverse(0.0),
        Delay(10, 50, 0.0, 2, RATE),
        Reverb(0.1, 0.2, 0.0, RATE),
        Chorus(5, 2, 3, 0.0, RATE),
        Sometimes(Level(6.0), 0.0),
        published_chain(0, RATE),
        instantiate(OmegaConf.load(CONF / "none.yaml")),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_strength_zero_changes_nothing(off):
    for lengths in (None, LENGTHS):
        assert torch.equal(off(clips(), lengths), clips())
