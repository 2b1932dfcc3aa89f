import dataclasses

import numpy as np
import pytest

from musicssl.data.checks import check_corpus, learnable
from musicssl.errors import InputError
from tests.support.kinds import OneClass, Values
from tests.support.tiny import Tiny


def changed_corpus(**changes):
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
    sound = changed_corpus()
    assert check_corpus(sound) is sound


@pytest.mark.parametrize("name", ["x", "y", "mask", "split", "lengths", "groups", "activity"])
def test_an_array_of_another_number_of_clips_is_named(name):
    with pytest.raises(
        InputError, match=f"tiny: {name} has shape .*29.* but 30 clips .* need .*30"
    ):
        check_corpus(changed_corpus(**{name: lambda array: array[:-1]}))


@pytest.mark.parametrize("name", ["y", "mask", "activity"])
def test_an_array_of_another_number_of_classes_is_named(name):
    with pytest.raises(InputError, match=f"{name} has shape .*3 classes need"):
        check_corpus(changed_corpus(**{name: lambda array: array[..., :-1]}))


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
        check_corpus(changed_corpus(**changes))
    assert "\n" not in str(refusal.value)


def test_only_observed_training_labels_count_for_a_class():
    """Positives that are hidden, or in the test split, do not make a class learnable."""
    sound = changed_corpus()
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


def changed(corpus, **cells):
    """Return the corpus with some cells of `y` or `mask` set, {name: (index, value)}."""
    arrays = {name: getattr(corpus, name).copy() for name in cells}
    for name, (index, value) in cells.items():
        arrays[name][index] = value
    return dataclasses.replace(corpus, **arrays)


@pytest.mark.parametrize("dataset", [Tiny(), OneClass(unlabelled=3), Values()])
def test_sound_targets_of_each_kind_pass(dataset):
    corpus = dataset.load()
    assert check_corpus(corpus) is corpus


@pytest.mark.parametrize(
    ("dataset", "cells", "message"),
    [
        (Tiny(), {"y": ((4, 1), 1.5)}, "'tiny-004' has 1.5 for 'b', but .* must lie in .0, 1."),
        (Tiny(), {"y": ((4, 1), np.nan)}, "'tiny-004' has nan for 'b'"),
        (OneClass(), {"y": (5, 0)}, "'tiny-005' must have exactly one class"),
        (OneClass(), {"y": (5, 1)}, "'tiny-005' must have exactly one class"),
        (OneClass(), {"y": (5, [0.5, 0.5, 0])}, "'tiny-005' must have exactly one class"),
        (OneClass(), {"mask": ((5, 0), False)}, "'tiny-005' must have exactly one class"),
        (Values(), {"y": ((6, 2), np.inf), "mask": (6, True)}, "'tiny-006' has inf for 'c', but a"),
        (Values(), {"y": ((slice(84), 1), 0.3)}, "'b' is 0.3 in every training clip annotated"),
        (Values(), {"mask": ((slice(None), 0), False)}, "class 'a' has no label in the training"),
    ],
)
def test_targets_that_are_not_what_their_task_says_are_refused(dataset, cells, message):
    corpus = dataset.load()
    order = np.argsort(corpus.split != "train", kind="stable")  # training clips, 84, come first
    rows = ("x", "y", "mask", "split")
    ordered = dataclasses.replace(corpus, **{name: getattr(corpus, name)[order] for name in rows})
    with pytest.raises(InputError, match=f"^{corpus.name}: .*{message}") as refusal:
        check_corpus(changed(ordered, **cells))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
@pytest.mark.parametrize(
    ("others", "said"),
    [
        (3, "no training clip is of class 'c', but 3 others are; move some into the training"),
        (1, "no training clip is of class 'c', but 1 other is; move"),
        (0, "class 'c' is absent in every training clip labelled for it, so it cannot be learnt;"),
    ],
)
def test_a_class_of_test_clips_alone_is_said_to_be_one(task, others, said):
    corpus = OneClass().load()
    y, test = np.zeros_like(corpus.y), corpus.indices("test")
    y[np.arange(len(y)), np.arange(len(y)) % 2] = 1
    y[test[:others]] = [0, 0, 1]
    with pytest.raises(InputError) as raised:
        check_corpus(dataclasses.replace(corpus, y=y, task=task))
    assert str(raised.value).startswith(f"{corpus.name}: {said}")


def test_a_label_that_was_not_observed_is_no_clip_of_its_class():
    corpus = Tiny().load()
    y, mask, test = corpus.y.copy(), corpus.mask.copy(), corpus.indices("test")
    y[:, 2], y[test, 2], mask[test, 2] = 0, 1, False
    with pytest.raises(InputError, match="'c' is absent in every training clip labelled for it"):
        check_corpus(dataclasses.replace(corpus, y=y, mask=mask))


@pytest.mark.parametrize("dataset", [Tiny(), OneClass(), Values()])
def test_what_is_not_observed_may_hold_anything(dataset):
    corpus = dataset.load()
    with_nan = changed(corpus, mask=(7, False), y=(7, np.nan))
    assert check_corpus(with_nan) is with_nan


def test_an_unknown_task_is_refused():
    corpus = dataclasses.replace(Tiny().load(), task="ranking")
    with pytest.raises(InputError, match="tiny: there is no task 'ranking'; it is one of multi_la"):
        check_corpus(corpus)


def test_learnable_classes_differ_among_the_observed_clips():
    y = np.array([[0.2, 0.6, 0.0, 1.0, np.nan], [0.4, 0.9, 1.0, 1.0, np.nan]], np.float32)
    mask = np.array([[True, True, True, True, False], [True, True, True, False, False]])
    assert learnable(y, mask, "multi_label").tolist() == [False, False, True, False, False]
    assert learnable(y, mask, "regression").tolist() == [True, True, True, False, False]
    assert not learnable(y[:0], mask[:0], "multi_class").any()
