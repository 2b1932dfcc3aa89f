"""The parts of docs/guides/extending.md, as they are written there, train together."""

import csv
import os
import re

import pytest

from docs.scripts.pages import DOCS
from tests.support import preloaded
from tests.support.commands import ROOT
from tests.support.documented import code_blocks

pytestmark = pytest.mark.slow


SMALL = [
    *("dataset=birds", "dataset.metadata2=clips.csv", "data.root=.", "data.batch_size=8"),
    *("encoder=squares", "pooling=mean", "trainer=cpu", "trainer.max_epochs=2"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    for _, content in code_blocks((DOCS / "guides" / "extending.md").read_text()):
        named = re.match(r"# (mylab/\S+)\n", content)
        if named:
            path = folder / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")
    (folder / "mylab" / "__init__.py").touch()
    with (folder / "clips.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("clip", "bird", "split"))
        for i in range(60):
            split = "train" if i < 36 else "val" if i < 48 else "test"
            rows.writerow((f"clip{i}", ("owl", "wren")[i % 2], split))
    return folder


def train(lab, *words):
    return preloaded.run(
        *(str(ROOT / "train.py"), "--config-dir", "mylab/conf", *words, *SMALL),
        cwd=lab,
        extra_env={"PYTHONPATH": f"{lab}{os.pathsep}{ROOT}"},
    )


@pytest.mark.parametrize(
    "words",
    [
        ["method=barlow"],
        ["method=mean_teacher", "augment@views.student=tremolo", "views.student.tremolo.depth=0.1"],
    ],
    ids=" ".join,
)
def test_the_parts_of_the_page_train(lab, words):
    done = train(lab, *words)
    assert done.returncode == 0, done.stderr
    assert "owl" in done.stdout
