import dataclasses

import numpy as np
import pytest

from musicssl.data.checks import learnable
from musicssl.data.corpus import check_corpus
from musicssl.errors import InputError
from tests.support.kinds import OneClass, Values
from tests.support.tiny import Tiny


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
    check_corpus(changed(corpus, mask=(7, False), y=(7, np.nan)))


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
