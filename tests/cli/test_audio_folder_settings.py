"""What messages about a table tell users to type: Hydra reads it, and it is a cure."""

import re
import shlex

import pytest
from hydra.utils import instantiate

from musicssl.errors import InputError
from tests.support.commands import composed

FILES = ("a.wav", "b.wav", "c.wav", "d.wav")
_ADVICE = re.compile(r"(?:or|set|with) ('?(?:dataset|data)\.[a-z_.]+=.*?)(?:\.$|\. |, |$)")


def annotations_after_advice(root, tries=4):
    """Read a table, each time with what the last message told us to type."""
    typed = ["dataset=audio_folder", f"data.root={root}"]
    for _ in range(tries):
        config = composed("train", root.parent / "run", *typed)
        try:
            return instantiate(config.dataset).annotations(), typed[2:]
        except InputError as error:
            [setting] = shlex.split(_ADVICE.search(str(error))[1])
            typed.append(setting)
    raise AssertionError(typed)


@pytest.fixture
def write(tmp_path):
    root = tmp_path / "my audio"
    root.mkdir()
    for name in FILES:
        (root / name).touch()

    def write_table(text):
        (root / "labels.csv").write_text(text)
        return root

    return write_table


def table(header, *labels, delimiter=","):
    rows = [f"{file}{delimiter}{label}" for file, label in zip(FILES, labels, strict=True)]
    return "\n".join([header, *rows]) + "\n"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (table("fname,class,fsID,start time,7", *["x,1,2,3", "y,1,2,3"] * 2), 3),
        (table("path,labels", '"x,y"', "y", "x", '"y,x"'), 1),
        (table("path,labels", "x|y", "y", "x", "y|x"), 1),
        (table("path;labels", '"x\ty"', "y", "x", '"y\tx"', delimiter=";"), 1),
        (table("path,labels", '"x\ny"', "y", "x", '"y\nx"'), 1),
        (table("path,label", "x;y", "y", "x", "y;x"), 1),
        (table("path,Instrument", "x", "y", "x", "y"), 1),
    ],
)
def test_what_is_advised_is_a_cure(write, text, count):
    annotations, typed = annotations_after_advice(write(text))
    assert annotations.classes == ("x", "y")
    assert len(typed) == count
    assert annotations.y.sum() in (4, 6)
    assert annotations.mask.all()


def test_audio_without_a_table_needs_the_setting_that_is_named(write):
    root = write("")
    (root / "labels.csv").unlink()
    annotations, typed = annotations_after_advice(root)
    assert typed == ["data.labels=null"]
    assert annotations.classes == ()
    assert annotations.paths == FILES


def test_a_task_that_the_table_does_not_fit_is_cured_by_the_other_one(write):
    root = write(table("path,labels", "x;y", "y", "x", "y"))
    config = composed(
        "train", root, "dataset=audio_folder", f"data.root={root}", "dataset.task=multi_class"
    )
    with pytest.raises(InputError, match=r"or set dataset\.task=multi_label\.$"):
        instantiate(config.dataset).annotations()
    config = composed(
        "train", root, "dataset=audio_folder", f"data.root={root}", "dataset.task=multi_label"
    )
    assert instantiate(config.dataset).annotations().y.sum() == 5
