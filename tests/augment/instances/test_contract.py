"""What every transform promises, whatever it does."""

import math
from itertools import combinations
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from musicssl.augment.chain import Chain
from musicssl.augment.instances.feature_gain import FeatureGain
from musicssl.augment.instances.feature_mask import FeatureMask
from musicssl.augment.instances.gain import Gain
from musicssl.augment.instances.noise import Noise
from musicssl.augment.instances.resample import Resample
from musicssl.augment.instances.shuffle import Shuffle
from musicssl.augment.instances.tilt import Tilt
from musicssl.augment.instances.time_mask import TimeMask
from musicssl.batch import valid_instances
from tests.support.contract import (
    assert_padding_is_not_heard,
    assert_same_kind,
    assert_seed_alone_decides,
    seeded,
)

CONF = Path(__file__).parents[3] / "conf" / "augment"


def conf(name):
    return instantiate(OmegaConf.load(CONF / f"{name}.yaml"))


TRANSFORMS = {
    "noise": Noise(0.2),
    "feature_gain": FeatureGain(0.2),
    "gain": Gain(0.1),
    "tilt": Tilt(0.1),
    "time_mask": TimeMask(0.9),
    "feature_mask": FeatureMask(0.9, num_masks=2),
    "shuffle": Shuffle(),
    "resample": Resample(0.4),
    "chain": Chain(shuffle=Shuffle(), noise=Noise(0.1), time_mask=TimeMask(0.5)),
    "weak": conf("weak"),
    "strong": conf("strong"),
}
each_transform = pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
LENGTHS = torch.tensor([20, 1, 11, 19, 2, 20])


def clips(num_clips=6, num_instances=20, num_features=32, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(num_clips, num_instances, num_features, generator=generator).to(dtype)


@each_transform
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_new_tensor_of_the_same_kind_is_returned(transform, lengths, dtype):
    assert_same_kind(transform, clips(dtype=dtype), lengths)


@each_transform
def test_the_seed_alone_decides(transform):
    assert_seed_alone_decides(transform, clips(), LENGTHS)


@each_transform
@pytest.mark.parametrize("padding", [-1e6, math.nan, math.inf])
def test_padding_does_not_reach_a_valid_instance(transform, padding):
    valid = valid_instances(LENGTHS, 20)
    assert_padding_is_not_heard(transform, clips(), LENGTHS, valid, padding)


@each_transform
def test_no_lengths_are_full_lengths(transform):
    full = torch.full((6,), 20)
    expected = seeded(transform, clips(), full)
    torch.testing.assert_close(seeded(transform, clips()), expected)


@each_transform
def test_equal_clips_are_changed_each_in_its_own_way(transform):
    y = seeded(transform, clips(num_clips=1).expand(6, -1, -1))
    equal = [torch.equal(a, b) for a, b in combinations(y, 2)]
    assert sum(equal) <= 1  # a mask may hide nothing, of two clips by chance


@each_transform
def test_a_clip_does_not_depend_on_the_others(transform):
    x = clips()
    others = x.clone()
    others[1:] = 7.0
    assert torch.equal(seeded(transform, others)[0], seeded(transform, x)[0])


@each_transform
def test_no_value_is_read_back_from_the_device(transform):
    """Tensors without values refuse whatever would make a GPU wait: item(), masks as indices."""
    x = torch.empty(6, 20, 32, device="meta")
    for lengths in (None, torch.empty(6, device="meta", dtype=torch.int64)):
        assert transform(x, lengths).device.type == "meta"


@each_transform
def test_a_gradient_passes_to_the_clips(transform):
    x = clips().requires_grad_()
    transform(x, None).sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad.sum() > 0


@pytest.mark.parametrize(
    "off",
    [
        Noise(0),
        FeatureGain(0),
        Gain(0),
        Tilt(0),
        TimeMask(0),
        FeatureMask(0, num_masks=3),
        Chain(noise=Noise(0), time_mask=TimeMask(0)),
        conf("none"),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_strength_zero_changes_nothing(off):
    for lengths in (None, LENGTHS):
        assert torch.equal(off(clips(), lengths), clips())
