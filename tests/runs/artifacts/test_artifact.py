"""A method from outside the package, with an artifact of its own."""

import csv

import pytest

from musicssl.errors import InputError
from musicssl.methods.att import AttentionMIL
from musicssl.report.read.runs import read_run
from musicssl.runs.artifacts.artifact import artifacts_of
from tests.support.training_command import run


class LongestClips:
    """A table of the longest test clips, and a line on the screen."""

    def write(self, run):
        scores = run.method.scores(next(iter(run.datamodule.batches("test"))))
        with (run.folder.path / "longest.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["clip", "instances"])
            for row in run.datamodule.rows("test")[:2]:
                writer.writerow([run.corpus.clip_ids[row], run.corpus.x.shape[1]])
        return {"longest": {"clips": 2, "classes": scores.shape[1]}}

    def show(self, folder, document, console):
        longest = document["longest"]
        console.print(f"The {longest['clips']} longest clips are in {folder.path / 'longest.csv'}.")


class MethodFromElsewhere(AttentionMIL):
    """`att`, with a table of its own instead of its pictures."""

    artifacts = (f"{__name__}.LongestClips",)


MINE = f"method._target_={__name__}.MethodFromElsewhere"


def test_a_method_from_elsewhere_leaves_and_shows_an_artifact_of_its_own(tmp_path, capsys):
    folder = run(tmp_path, MINE)
    with (tmp_path / "longest.csv").open(newline="") as file:
        assert [row["clip"] for row in csv.DictReader(file)] == ["tiny-008", "tiny-009"]
    assert f"The 2 longest clips are in {tmp_path}" in capsys.readouterr().out.replace("\n", "")
    assert not (folder.figures / "training.png").exists()  # it is an artifact that att leaves

    run(tmp_path, MINE)  # complete, so that it is only shown
    out = capsys.readouterr().out
    assert "This run is complete" in out
    assert "The 2 longest clips are in" in out.replace("\n", "")


class MetricOfSound:
    """A metric that needs more than the scores of clips."""

    def write(self, run):
        return {"macro": {"loudness": -7.5}, "loudest": "tiny-008"}

    def show(self, folder, document, console):
        """Print nothing: the table shows the metric."""


class MethodWithMetric(AttentionMIL):
    """`att`, with an overall metric that an artifact measures."""

    artifacts = (f"{__name__}.MetricOfSound",)


def test_a_metric_of_an_artifact_joins_the_overall_metrics(tmp_path, capsys):
    folder = run(tmp_path, f"method._target_={__name__}.MethodWithMetric")
    document = folder.result()
    assert document["macro"]["loudness"] == -7.5
    assert 0 <= document["macro"]["auroc"] <= 1  # those of the scores are still there
    assert document["loudest"] == "tiny-008"
    assert "loudness -7.500" in capsys.readouterr().out
    assert read_run(tmp_path).metrics["loudness"] == -7.5  # so that the report has it


@pytest.mark.parametrize("name", ["nowhere.Table", f"{__name__}.Missing", "", "no name"])
def test_an_artifact_that_does_not_exist_is_named(name):
    class Broken:
        artifacts = (name,)

    with pytest.raises(InputError, match=r"there is no artifact .*install the package that has it"):
        artifacts_of(Broken)


def test_something_without_artifacts_leaves_none():
    assert artifacts_of(object()) == []
