import pytest
import torch

from musicssl.encoders.crnn import CRNN
from musicssl.errors import InputError
from musicssl.networks.spec_augment import SpecAugment


def hidden(layer, count=500, bands=40, frames=60):
    """Which points of each of `count` spectra are hidden, (K, F, T) bool."""
    torch.manual_seed(0)
    return layer.train()(torch.ones(count, 1, bands, frames))[:, 0] == 0


def widths(rows):
    """Length of the one run of True in each row, and whether there is no second one."""
    edges = torch.diff(rows.int(), dim=1, prepend=torch.zeros(len(rows), 1, dtype=torch.int))
    assert ((edges == 1).sum(1) <= 1).all()
    return rows.sum(1)


@pytest.mark.parametrize(("axis", "size"), [(2, 60), (1, 40)])
def test_a_block_is_one_run_of_whole_bands_or_frames(axis, size):
    share = {"max_bands": 0.0, "max_frames": 0.0, ["", "max_bands", "max_frames"][axis]: 0.5}
    masks = hidden(SpecAugment(**share))
    rows = masks.any(dim=3 - axis)
    assert (masks.all(dim=3 - axis) == rows).all()
    found = widths(rows).double()
    # Uniform from 0 to half of the axis: its mean is size / 4, its deviation size / (4 sqrt 3).
    assert found.max() <= size / 2 + 0.5
    deviation = size / 4 / 3**0.5
    assert abs(found.mean() - size / 4) < 5 * deviation / len(found) ** 0.5
    assert abs(found.std() - deviation) < 0.1 * deviation


def test_blocks_are_symmetric_along_the_axis():
    often = hidden(SpecAugment(0.0, 0.3), count=20_000).any(dim=1).double().mean(0)
    assert torch.allclose(often, often.flip(0), atol=5 * 0.5 / 20_000**0.5 * 2**0.5)
    assert often[30] > often[0] > 0  # few blocks reach the ends


def test_both_kinds_hide_and_more_blocks_hide_more():
    both = hidden(SpecAugment(0.2, 0.2))
    bands, frames = both.all(dim=2), both.all(dim=1)
    assert (both == (bands[:, :, None] | frames[:, None, :])).all()
    assert hidden(SpecAugment(0.2, 0.2, blocks=3)).double().mean() > 2 * both.double().mean()


def test_evaluation_and_zero_widths_leave_spectra_and_random_numbers_alone():
    x = torch.randn(3, 1, 8, 9)
    for layer in (SpecAugment(1.0, 1.0).eval(), SpecAugment(0.0, 0.0), SpecAugment(1.0, 1.0, 0)):
        before = torch.get_rng_state()
        assert torch.equal(layer(x), x)
        assert torch.equal(before, torch.get_rng_state())


def test_an_encoder_hides_normalised_spectra_only_while_training():
    encoder = CRNN(width=2, hidden=2, spec_augment=SpecAugment(0.5, 0.0))
    sound = 0.1 * torch.randn(8, 16_000)
    spectra = encoder.spectra(sound)
    assert (spectra == 0).all(dim=3).any(), "no band is hidden"
    assert not (encoder.eval().spectra(sound) == 0).all(dim=3).any()


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ({"max_bands": 1.2}, "max_bands"),
        ({"max_frames": -0.1}, "max_frames"),
        ({"blocks": -1}, "blocks"),
    ],
)
def test_settings_out_of_range_are_one_sentence(setting, name):
    with pytest.raises(InputError, match=rf"encoder\.spec_augment\.{name} must be"):
        SpecAugment(**{"max_bands": 0.1, "max_frames": 0.1, **setting})
