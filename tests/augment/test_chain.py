from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from musicssl.augment.chain import Chain
from musicssl.augment.instances.feature_gain import FeatureGain
from musicssl.augment.instances.noise import Noise
from musicssl.augment.sound.level import Level
from musicssl.errors import InputError
from tests.support.composing import composed

CONF = Path(__file__).parents[2] / "conf" / "augment"


def test_transforms_act_in_the_order_in_which_they_are_named():
    def doubled(x, lengths):
        return 2 * x

    def shifted(x, lengths):
        return x + lengths[:, None, None]

    x, lengths = torch.rand(2, 3, 4), torch.tensor([3, 1])
    shift = lengths[:, None, None]
    assert torch.equal(Chain(doubled=doubled, shifted=shifted)(x, lengths), 2 * x + shift)
    assert torch.equal(Chain(shifted=shifted, doubled=doubled)(x, lengths), 2 * (x + shift))


def test_an_empty_chain_is_the_identity():
    x = torch.rand(2, 3, 4)
    assert Chain()(x) is x


def test_an_invalid_transform_is_refused_by_name():
    with pytest.raises(InputError, match="noise of a chain of transforms is None"):
        Chain(gain=FeatureGain(0.1), noise=None)


def test_a_strength_is_set_by_the_names_of_the_chain_and_of_the_number():
    config = OmegaConf.load(CONF / "weak.yaml")
    OmegaConf.update(config, "noise.std", 0.3)
    chain = instantiate(config)
    x = torch.rand(2, 3, 4)
    torch.manual_seed(0)
    expected = FeatureGain(0.1)(Noise(0.3)(x))
    torch.manual_seed(0)
    assert torch.equal(chain(x), expected)


def test_the_strong_view_has_all_of_the_weak_one():
    weak, strong = (OmegaConf.load(CONF / f"{name}.yaml") for name in ("weak", "strong"))
    assert {key: strong[key] for key in weak} == dict(weak)


@pytest.mark.parametrize(
    ("transform", "x", "message"),
    [
        (
            Noise(0.1),
            torch.zeros(2, 100),
            "views of instances were chosen, but the encoder gets sound; "
            "views=semisupcon and views=sound are of sound, views=weak and views=strong are of "
            "instances: choose one of the former, or views=none",
        ),
        (
            Level(3.0),
            torch.zeros(2, 5, 4),
            "views of sound were chosen, but the encoder gets instances; "
            "views=weak and views=strong are of instances, views=semisupcon and views=sound are of "
            "sound: choose one of the former, or views=none",
        ),
    ],
)
def test_a_transform_of_the_other_kind_of_clip_is_refused(transform, x, message):
    with pytest.raises(InputError, match=message):
        Chain(published=transform)(x)


@pytest.mark.parametrize(
    ("name", "of_sound"),
    [("semisupcon", True), ("sound", True), ("weak", False), ("strong", False)],
)
def test_the_views_that_a_message_names_are_what_it_says(name, of_sound):
    config = composed("method=mean_teacher", f"views={name}")
    assert instantiate(config.views).student.of_sound == of_sound


def test_a_chain_within_a_chain_is_of_what_its_transforms_are():
    x = torch.rand(2, 100)
    inner = Chain(level=Level(0.0))
    assert torch.equal(Chain(inner=inner)(x), x)
    with pytest.raises(InputError, match="views of sound were chosen"):
        Chain(inner=inner)(torch.rand(2, 5, 4))


def test_views_of_sound_keep_its_shape():
    x = torch.randn(3, 100)
    y = instantiate(OmegaConf.load(CONF / "sound.yaml"))(x, torch.tensor([100, 50, 1]))
    assert y.shape == x.shape
    assert y.isfinite().all()
