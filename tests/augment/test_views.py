import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

import musicssl.cli.resolvers  # noqa: F401 registers the resolvers of conf/
from musicssl.augment.chain import Chain
from musicssl.augment.instances.feature_gain import FeatureGain
from musicssl.augment.instances.feature_mask import FeatureMask
from musicssl.augment.instances.gain import Gain
from musicssl.augment.instances.noise import Noise
from musicssl.augment.instances.resample import Resample
from musicssl.augment.instances.shuffle import Shuffle
from musicssl.augment.instances.tilt import Tilt
from musicssl.augment.instances.time_mask import TimeMask
from musicssl.augment.sound.polarity import Polarity
from musicssl.augment.views import Views, published_views
from musicssl.errors import InputError
from tests.support.composing import CONF, composed


def test_the_published_views_are_drawn_apart_from_each_other():
    torch.manual_seed(0)
    x = torch.randn(8, 4000)
    views = published_views(severity=5, sample_rate=8000)
    student, target = views.student(x, None), views.target(x, None)
    assert not any(torch.equal(a, b) for a, b in zip(student, target, strict=True))


def test_severity_zero_is_two_clips_as_they_are():
    x = torch.randn(3, 100)
    views = published_views(severity=0, sample_rate=8000)
    assert views.student(x, None) is x
    assert views.target(x, None) is x


def test_a_severity_outside_its_range_is_refused():
    with pytest.raises(InputError, match="severity must lie between"):
        published_views(severity=6, sample_rate=8000)


def composed_views(*words):
    return instantiate(composed("method=fixmatch", *words).views)


@pytest.mark.parametrize("name", ["weak", "strong", "weak_strong"])
def test_a_strength_of_1_is_the_file_and_of_0_no_view_to_the_bit(name):
    x, lengths = torch.rand(4, 6, 20), torch.tensor([6, 6, 2, 1])
    plain, same = composed_views(f"views={name}"), Views(*chains(name))
    off = composed_views(f"views={name}", "views.strength=0")
    for view in ("student", "target"):
        torch.manual_seed(0)
        expected = getattr(same, view)(x, lengths)
        torch.manual_seed(0)
        assert torch.equal(getattr(plain, view)(x, lengths), expected)
        state = torch.get_rng_state()
        assert getattr(off, view)(x, lengths) is x
        assert torch.equal(torch.get_rng_state(), state)  # dropout after it is that of views=none


def chains(name):
    first, second = {"weak_strong": ("strong", "weak")}.get(name, (name, name))
    folder = CONF / "augment"
    return [instantiate(OmegaConf.load(folder / f"{kind}.yaml")) for kind in (first, second)]


@pytest.mark.parametrize("transform", [Noise(0.2), FeatureGain(0.3), Gain(0.1), Tilt(0.2)])
@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_what_is_added_grows_with_the_strength(transform, strength):
    """Oracle: with the same random numbers, the change is `strength` times as large."""
    x = torch.rand(5, 7, 12)
    torch.manual_seed(0)
    change = transform(x) - x
    torch.manual_seed(0)
    scaled = transform.scaled(strength)(x) - x
    torch.testing.assert_close(scaled, strength * change, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("strength", [0.5, 3.0])
def test_what_is_hidden_grows_with_the_strength_up_to_all_of_it(strength):
    most = min(1.0, 0.4 * strength)
    assert FeatureMask(0.4, num_masks=2).scaled(strength).max_fraction == pytest.approx(most)
    assert FeatureMask(0.4, num_masks=2).scaled(strength).num_masks == 2
    assert TimeMask(0.4).scaled(strength).max_fraction == pytest.approx(most)
    x = torch.arange(10.0).view(1, 10, 1).repeat(40, 1, 1)
    kept = [len(clip.unique()) for clip in Resample(0.6).scaled(strength)(x)]
    assert set(kept) == {8 if strength == 0.5 else 1}


def test_both_views_are_scaled_and_settings_of_a_transform_stay_their_own():
    views = composed_views("views=weak_strong", "views.strength=0.5", "views.target.noise.std=0.4")
    assert views.student.transforms["noise"].std == pytest.approx(0.01)
    assert views.target.transforms["noise"].std == pytest.approx(0.2)
    shuffle = Shuffle()
    assert Chain(shuffle=shuffle).scaled(0.5).transforms["shuffle"] is shuffle


def test_views_that_cannot_be_scaled_are_refused():
    sound = Chain(polarity=Polarity(0.5))
    with pytest.raises(InputError, match=r"cannot scale polarity: .*views=semisupcon"):
        Views(sound, sound, strength=0.5)
    with pytest.raises(InputError, match=r"views\.strength must be 0 \(off\) or more"):
        Views(Chain(), Chain(), strength=-1.0)
    with pytest.raises(InputError, match=r"views\.student is a Noise"):
        Views(Noise(0.1), Chain(), strength=0.5)
    assert Views(sound, sound).student is sound
