"""Layers of files of embeddings, against slices and means by hand."""

from pathlib import Path

import numpy as np
import pytest

from musicssl.datasets.formats.embeddings_file import saved_embeddings
from musicssl.datasets.formats.embeddings_layers import clip_layers, instances
from musicssl.errors import InputError

PATH = Path("h.npz")
N, L, T, D = 4, 3, 5, 6
LENGTHS = np.array([5, 1, 3, 2])
RNG = np.random.default_rng(0)
FULL = RNG.standard_normal((N, L, T, D)).astype(np.float32)
NAMES = np.array(["6", "9", "output"])


def saved(h, **others):
    return saved_embeddings(PATH, {"embeddings": h, "clip_ids": np.arange(N), **others})


def chosen(h, layer, **others):
    return instances(PATH, saved(h, **others), layer, "dataset.layer")


def test_layers_are_picked_by_name_first_and_then_by_number():
    for layer, number in [("6", 0), (9, 1), ("output", 2), (-1, 2), ("1", 1), (0, 0)]:
        picked = chosen(FULL, layer, layers=NAMES)
        np.testing.assert_array_equal(picked, FULL[:, number])
        assert np.shares_memory(picked, FULL)
        short = chosen(FULL[:, :, 0], layer, layers=NAMES)
        np.testing.assert_array_equal(short, FULL[:, number, :1])


def test_files_without_layers_are_instances_as_they_are():
    assert np.shares_memory(chosen(FULL[:, 0], None), FULL)
    np.testing.assert_array_equal(chosen(FULL[:, 0, 0], None), FULL[:, 0, :1])


def test_all_layers_lie_side_by_side():
    by_hand = np.concatenate([FULL[:, i] for i in range(L)], axis=2)
    np.testing.assert_array_equal(chosen(FULL, "all"), by_hand)
    np.testing.assert_array_equal(chosen(FULL[:, :, 0], "all", layers=NAMES), by_hand[:, :1])


def test_a_layer_has_its_own_width():
    widths = np.array([2, 6, 4])
    np.testing.assert_array_equal(chosen(FULL, 2, widths=widths), FULL[:, 2, :, :4])
    joined = np.concatenate([FULL[:, 0, :, :2], FULL[:, 1], FULL[:, 2, :, :4]], axis=2)
    np.testing.assert_array_equal(chosen(FULL, "all", widths=widths), joined)


def test_clips_are_means_of_valid_instances_whatever_the_padding(monkeypatch):
    padded = FULL.copy()
    for clip, length in enumerate(LENGTHS):
        padded[clip, :, length:] = 1e9
    expected = np.stack(
        [FULL[clip, :, :length].astype(np.float64).mean(1) for clip, length in enumerate(LENGTHS)]
    ).astype(np.float32)
    for numbers in (1, 200, 1 << 23):  # clips at a time: one, two, all
        monkeypatch.setattr("musicssl.datasets.formats.embeddings_layers._NUMBERS", numbers)
        np.testing.assert_array_equal(clip_layers(saved(padded, lengths=LENGTHS)), expected)
        one = clip_layers(saved(padded[:, 1], lengths=LENGTHS))
        np.testing.assert_array_equal(one, expected[:, 1:2])


def test_without_time_nothing_is_copied():
    assert np.shares_memory(clip_layers(saved(FULL[:, :, 0], layers=NAMES)), FULL)
    assert clip_layers(saved(FULL[:, 0, 0])).shape == (N, 1, D)


@pytest.mark.parametrize(
    ("layer", "layers", "message"),
    [
        (None, NAMES, r"has 3 layers \(6, 9, output\); choose one with dataset\.layer=NAME, or"),
        ("7", NAMES, r"has no layer '7' \(dataset\.layer\); it has 6, 9, output"),
        (3, NAMES, "has no layer '3'"),
        ("first", NAMES, "has no layer 'first'"),
        (2, None, r"has no layers; leave out dataset\.layer=2"),
        ("all", None, r"has no layers; leave out dataset\.layer=all"),
    ],
)
def test_a_layer_that_is_not_there_is_named(layer, layers, message):
    others = {} if layers is None else {"layers": layers}
    h = FULL[:, 0] if layers is None else FULL
    with pytest.raises(InputError, match=message):
        chosen(h, layer, **others)


def test_the_only_layer_needs_no_name():
    np.testing.assert_array_equal(chosen(FULL[:, :1], None), FULL[:, 0])
