import numpy as np

from musicssl.datasets.base.annotations import Annotations


def test_a_selection_has_the_rows_in_their_order():
    rng = np.random.default_rng(0)
    everything = Annotations(
        classes=("a", "b"),
        paths=("1.wav", "2.wav", "3.wav"),
        y=rng.random((3, 2)).astype(np.float32),
        mask=rng.random((3, 2)) < 0.5,
        split=np.array(["train", "val", "test"]),
        groups=np.array(["x", "y", "z"]),
        activity=rng.random((3, 4, 2)) < 0.5,
        sources=np.array(["s", "t", "u"]),
        left_out={"4.wav": "is broken"},
    )
    rows = np.array([2, 0])
    some = everything.select(rows)
    assert some.paths == ("3.wav", "1.wav")
    for name in ("y", "mask", "split", "groups", "activity", "sources"):
        assert np.array_equal(getattr(some, name), getattr(everything, name)[rows])
    assert (some.classes, some.left_out) == (everything.classes, everything.left_out)
