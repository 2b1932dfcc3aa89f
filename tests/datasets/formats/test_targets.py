import numpy as np
import pytest

from musicssl.datasets.formats.labels_csv import LabelTable, choose_classes, targets
from musicssl.errors import InputError

TABLE = LabelTable({"a": ("flute", "cello"), "b": (), "c": ("voice",)})


def test_classes_are_sorted_or_as_chosen():
    assert choose_classes(TABLE, None) == ("cello", "flute", "voice")
    assert choose_classes(TABLE, ["voice", "cello"]) == ("voice", "cello")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["cello", "flut"], r"no file is labelled 'flut' \(did you mean 'flute'\?\)"),
        (["cello", "cello"], "names a class twice"),
    ],
)
def test_a_class_that_cannot_be_is_refused(chosen, message):
    with pytest.raises(InputError, match=message):
        choose_classes(TABLE, chosen)


def test_a_labelled_clip_is_observed_for_every_class_and_no_other_is():
    y, mask = targets(TABLE, ["d", "c", "b", "a"], ("cello", "flute"))
    np.testing.assert_array_equal(y, np.array([[0, 0], [0, 0], [0, 0], [1, 1]], np.float32))
    np.testing.assert_array_equal(mask, [[False] * 2, [True] * 2, [False] * 2, [True] * 2])
