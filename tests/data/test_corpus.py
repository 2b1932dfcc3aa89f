import dataclasses

import numpy as np
import pytest

from musicssl.data.corpus import check_corpus
from musicssl.errors import InputError
from tests.support.tiny import Tiny


def corpus(**changes):
    """A sound corpus, with some arrays replaced by what a function makes of them."""
    sound = Tiny(num_clips=30, variable_lengths=True).load()
    sound = dataclasses.replace(sound, groups=sound.clip_ids)
    made = {
        name: change(getattr(sound, name).copy()) if callable(change) else change
        for name, change in changes.items()
    }
    return dataclasses.replace(sound, **made)


def with_value(index, value):
    def change(array):
        array[index] = value
        return array

    return change


def test_a_sound_corpus_is_returned_as_it_is():
    sound = corpus()
    assert check_corpus(sound) is sound


@pytest.mark.parametrize("name", ["x", "y", "mask", "split", "lengths", "groups", "activity"])
def test_an_array_of_another_number_of_clips_is_named(name):
    with pytest.raises(
        InputError, match=f"tiny: {name} has shape .*29.* but 30 clips .* need .*30"
    ):
        check_corpus(corpus(**{name: lambda array: array[:-1]}))


@pytest.mark.parametrize("name", ["y", "mask", "activity"])
def test_an_array_of_another_number_of_classes_is_named(name):
    with pytest.raises(InputError, match=f"{name} has shape .*3 classes need"):
        check_corpus(corpus(**{name: lambda array: array[..., :-1]}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ()}, "no clip has a label"),
        ({"split": with_value(3, "dev")}, "unknown split 'dev'; use 'train', 'val', 'test'"),
        ({"clip_ids": with_value(7, "tiny-002")}, "clip 'tiny-002' occurs twice"),
        ({"x": with_value((8, 0, 0), np.nan)}, "clip 'tiny-008' has features that are NaN"),
        ({"x": with_value((9, 4, 7), np.inf)}, "clip 'tiny-009' has features that are NaN or inf"),
        ({"split": with_value(slice(None), "test")}, "no clip is in the training split"),
        ({"mask": with_value((slice(None), 1), False)}, "class 'b' has no label in the training"),
        ({"y": with_value((slice(None), 0), 0.49)}, "class 'a' is absent in every training clip"),
        ({"y": with_value((slice(None), 2), 0.5)}, "class 'c' is present in every training clip"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_with_its_cause(changes, message):
    with pytest.raises(InputError, match=f"^tiny: .*{message}") as refusal:
        check_corpus(corpus(**changes))
    assert "\n" not in str(refusal.value)


def test_only_observed_training_labels_count_for_a_class():
    """Positives that are hidden, or in the test split, do not make a class learnable."""
    sound = corpus()
    train = sound.split == "train"
    y, mask = sound.y.copy(), sound.mask.copy()
    y[train, 0], y[~train, 0] = 0, 1
    first = np.flatnonzero(train)[0]
    y[first, 0], mask[first, 0] = 1, False
    with pytest.raises(InputError, match="no training clip is of class 'a', but 9 others are"):
        check_corpus(dataclasses.replace(sound, y=y, mask=mask))
    mask[first, 0] = True
    check_corpus(dataclasses.replace(sound, y=y, mask=mask))


def test_the_bad_clip_is_named_wherever_it_lies():
    big = Tiny(num_clips=2500).load()
    big.x[2100, 3, 2] = np.nan
    big.clip_ids[2100] = "here"
    with pytest.raises(InputError, match="clip 'here'"):
        check_corpus(big)


def test_indices_of_the_splits_part_the_corpus():
    sound = corpus()
    rows = [sound.indices(split) for split in ("train", "val", "test")]
    assert np.array_equal(np.sort(np.concatenate(rows)), np.arange(30))
    assert rows[1].tolist() == [7, 17, 27]
