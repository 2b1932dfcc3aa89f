from pathlib import Path

import numpy as np
import pytest

from musicssl.datasets.formats.embeddings_file import saved_embeddings
from musicssl.errors import InputError

PATH = Path("h.npz")
NAMES = np.array(["a", "b", "c"])


def arrays(**changes):
    whole = {
        "embeddings": np.arange(6.0).reshape(3, 2),
        "clip_ids": NAMES,
        "targets": np.eye(3, 4),
        "mask": np.ones((3, 4), bool),
        "split": np.array(["train", "val", "test"]),
        "classes": np.array(list("wxyz")),
        "task": np.array("multi_label"),
        "groups": NAMES,
        "credit": np.eye(4),
    }
    return {name: a for name, a in (whole | changes).items() if a is not None}


def test_numbers_become_float32_and_names_text():
    halves = np.arange(6, dtype=np.float16).reshape(3, 2)
    saved = saved_embeddings(PATH, arrays(embeddings=halves, clip_ids=np.array([7, 8, 9])))
    assert saved.embeddings.dtype == saved.targets.dtype == saved.credit.dtype == np.float32
    np.testing.assert_array_equal(saved.embeddings, halves)
    assert saved.clip_ids.tolist() == ["7", "8", "9"]
    assert saved.task == "multi_label"


def test_embeddings_and_names_are_enough_and_other_names_are_ignored():
    whole = arrays()
    few = {name: whole[name] for name in ("embeddings", "clip_ids")} | {"notes": np.ones(9)}
    saved = saved_embeddings(PATH, few)
    assert saved.targets is saved.mask is saved.split is saved.classes is saved.task is None
    assert saved.groups is saved.credit is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embeddings": None}, r"h\.npz has no 'embeddings'"),
        ({"clip_ids": None}, r"h\.npz has no 'clip_ids'.*the name of each clip"),
        ({"embeddings": np.ones(3)}, r"shape \(3,\); give each clip one vector"),
        ({"embeddings": np.ones((3, 1, 2))}, r"shape \(3, 1, 2\); give each clip one vector"),
        ({"embeddings": np.ones((0, 2))}, r"shape \(0, 2\); give each clip one vector"),
        ({"embeddings": np.array([["a"]])}, "embeddings is <U1; make it float32"),
        ({"embeddings": np.ones((4, 2))}, r"clip_ids has shape \(3,\), but .* need \(4,\)"),
        ({"targets": np.ones((2, 4))}, r"targets has shape \(2, 4\), but .* need \(3, 4\)"),
        ({"mask": np.ones((3, 3), bool)}, r"mask has shape \(3, 3\), but .* need \(3, 4\)"),
        ({"mask": np.ones((3, 4))}, "mask is float64; make it bool"),
        ({"split": np.array(["train"])}, r"split has shape \(1,\), but .* need \(3,\)"),
        ({"split": np.array([1.0, 2, 3])}, "split is float64; make it text"),
        ({"classes": np.array(["w"])}, r"targets has shape \(3, 4\), but .* need \(3, 1\)"),
        ({"classes": np.array("w")}, r"targets has shape \(3, 4\), but .* need \(3, 0\)"),
        ({"credit": np.eye(3)}, r"credit has shape \(3, 3\), but .* need \(4, 4\)"),
        ({"groups": NAMES[:2]}, r"groups has shape \(2,\), but .* need \(3,\)"),
        ({"clip_ids": np.array(["a", "b", "a"])}, "clip 'a' occurs twice"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        saved_embeddings(PATH, arrays(**changes))


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e39])
def test_an_embedding_that_float32_cannot_hold_names_its_clip(value):
    embeddings = np.ones((3, 2))
    embeddings[1, 1] = value
    with pytest.raises(InputError, match="embedding of clip 'b' is NaN or infinite, or too large"):
        saved_embeddings(PATH, arrays(embeddings=embeddings))
