"""Oracle: the clusters of the test clips counted one by one."""

import csv

import numpy as np
import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.clustering import cluster_accuracy, normalised_mutual_information
from musicssl.methods.vade import VaDE
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.artifacts.clusters import Clusters
from musicssl.runs.folder import RunFolder
from tests.support.kinds import OneClass, Values
from tests.support.tiny import Tiny
from tests.support.training import m1_parts


def written(folder, corpus):
    """Return what is returned and written of a mixture with components here and there."""
    clips = SemiSupervisedDataModule(corpus, b_s=0)
    clips.setup()
    torch.manual_seed(0)
    numbers = {"num_components": 5, "pretrain_epochs": 1, "classification_weight": 0.0}
    method = VaDE(**m1_parts(task=clips.corpus.task, b_s=0) | numbers).eval()
    test = method.probe.embedded(clips.batches("test"))
    with torch.no_grad():
        method.mixture.means.copy_(test.h[:5])
        method.mixture.means[4] = 1e3  # of no clip
    nearest = torch.cdist(test.h, method.mixture.means).argmin(dim=1).numpy()
    result = Clusters().write(TrainedRun(RunFolder(folder), clips, method))
    return result.get("clusters"), nearest, test.y.numpy()


@pytest.mark.parametrize("corpus", [Tiny(), OneClass()])
@pytest.mark.pictures
def test_the_table_says_which_classes_are_in_which_cluster(tmp_path, corpus):
    result, nearest, y = written(tmp_path, corpus)
    with (tmp_path / "clusters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(r["cluster"]), r["class"]) for r in rows] == [
        (k, name) for k in range(5) for name in "abc"
    ]
    for row in rows:
        c = "abc".index(row["class"])
        inside = y[nearest == int(row["cluster"]), c]
        assert int(row["clips"]) == len(inside)
        if len(inside) == 0:
            assert row["share"] == row["lift"] == ""
            continue
        assert float(row["share"]) == pytest.approx(inside.mean())
        assert float(row["lift"]) == pytest.approx(inside.mean() / y[:, c].mean())
    assert rows[-1]["clips"] == "0"
    assert (tmp_path / "figures" / "clusters.png").stat().st_size > 1000
    assert (result is None) == (corpus == Tiny())


def test_where_a_clip_has_one_class_clusters_are_measured_and_shown(tmp_path):
    result, nearest, y = written(tmp_path, OneClass())
    answers = y.argmax(axis=1)
    assert result == {
        "accuracy": cluster_accuracy(nearest, answers),
        "normalised_mutual_information": normalised_mutual_information(nearest, answers),
    }
    said = []

    class Screen:
        def print(self, text, **_):
            said.append(text)

    Clusters().show(RunFolder(tmp_path), {"clusters": result}, Screen())
    assert f"accuracy {result['accuracy']:.3f}, with clusters matched" in said[0]


def test_a_class_that_never_occurs_has_no_lift(tmp_path):
    class Silent(Tiny):
        def load(self):
            corpus = super().load()
            corpus.y[:, 1] *= corpus.split != "test"
            return corpus

    written(tmp_path, Silent())
    with (tmp_path / "clusters.csv").open(newline="") as file:
        of_b = [row for row in csv.DictReader(file) if row["class"] == "b"]
    assert {row["lift"] for row in of_b} == {""}
    assert {row["share"] for row in of_b} == {"0.0", ""}


def test_values_have_no_classes_to_be_counted(tmp_path):
    result, *_ = written(tmp_path, Values())
    assert result is None
    assert not np.any([*tmp_path.iterdir()])
