"""The pictures of a run's generative model, for every method that has one."""

import dataclasses

import numpy as np
import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.generative.pictures import reconstructed
from musicssl.runs.artifacts import generative as generative_results
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.artifacts.generative import GenerativePictures, scene_of
from musicssl.runs.checkpoint import load_method
from musicssl.runs.folder import RunFolder
from tests.support.kinds import OneClass
from tests.support.tiny import Tiny
from tests.support.training_command import run

pytestmark = pytest.mark.pictures

PICTURES = {"reconstructions.png", "samples.png", "traversals.png"}
SMALL = ("method.h1=16", "method.h2=0", "method.latent_dim=4")
HIDDEN = 108  # a test clip


@dataclasses.dataclass(frozen=True)
class PartlyTold(Tiny):
    """Nothing is known of one of the test clips."""

    def load(self):
        corpus = super().load()
        y, mask = corpus.y.copy(), corpus.mask.copy()
        y[HIDDEN], mask[HIDDEN] = [0, 1, 1], False
        return dataclasses.replace(corpus, y=y, mask=mask)


def pictures(folder):
    return {path.name for path in folder.figures.iterdir()} & PICTURES


def trained(folder):
    method, _ = load_method(folder.best)
    return method.eval()


@pytest.fixture(scope="module")
def dgm_run(tmp_path_factory):
    return run(tmp_path_factory.mktemp("dgm"), "method=dgm", *SMALL)


@pytest.fixture
def dgm(dgm_run):
    return trained(dgm_run)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        ("method=joint_dgm", *SMALL),
        ("method=m1", "method.hidden=[16]", "method.summary=flat"),
        ("method=m1_m2", *SMALL, "method.m1_epochs=1", "method.m1_hidden=[16]"),
        ("method=vade", "method.hidden=[16]", "method.pretrain_epochs=1"),
    ],
)
def test_every_generative_method_leaves_its_pictures(tmp_path, settings):
    assert pictures(run(tmp_path, *settings, "optimizer.lr=0.01")) == PICTURES


def test_classifiers_alone_leave_none(tmp_path):
    folder = run(tmp_path, "method=dgm", "method.generative=false", *SMALL)
    assert pictures(folder) == set()


@pytest.mark.slow
def test_the_pictures_of_a_checkpoint_are_those_of_its_run_and_disturb_nothing(
    dgm, dgm_run, tmp_path
):
    datamodule = SemiSupervisedDataModule(Tiny(), batch_size=16)
    again = RunFolder(tmp_path)
    state = torch.get_rng_state()
    GenerativePictures().write(TrainedRun(again, datamodule, dgm))
    assert torch.get_rng_state().equal(state)
    assert pictures(dgm_run) == PICTURES
    for name in PICTURES:
        assert (again.figures / name).read_bytes() == (dgm_run.figures / name).read_bytes()


def test_the_clips_of_pictures_are_the_test_clips_with_targets_where_there_are_some(dgm):
    datamodule = SemiSupervisedDataModule(PartlyTold(), batch_size=16)
    scene = scene_of(datamodule, dgm, dgm.shown())
    corpus, rows = datamodule.corpus, datamodule.rows("test")
    assert scene.clip_ids.tolist() == corpus.clip_ids[rows].tolist()
    x = corpus.x[rows]
    summaries = np.concatenate([x.mean(axis=1), x.std(axis=1)], axis=1)
    np.testing.assert_allclose(scene.observed, summaries, atol=1e-5)
    with torch.no_grad():
        answers = torch.cat([dgm.scores(batch) >= 0.5 for batch in datamodule.batches("test")])
    assert scene.clips.answers.equal(answers.float())
    hidden = rows.tolist().index(HIDDEN)
    expected = corpus.y[rows].copy()
    assert not np.array_equal(expected[hidden], answers[hidden])  # or nothing would be tested
    expected[hidden] = answers[hidden]
    assert np.array_equal(scene.clips.y, expected)
    assert np.array_equal(scene.present, (corpus.y[rows] >= 0.5) & corpus.mask[rows])


def test_of_many_test_clips_some_are_drawn_always_the_same(dgm, monkeypatch):
    monkeypatch.setattr(generative_results, "_MOST_CLIPS", 7)
    datamodule = SemiSupervisedDataModule(Tiny(), batch_size=16)
    one, two = (scene_of(datamodule, dgm, dgm.shown()) for _ in range(2))
    assert one.clip_ids.tolist() == two.clip_ids.tolist() == sorted(one.clip_ids.tolist())
    assert len(one.clip_ids) == len(one.clips.x) == 7
    assert set(one.clip_ids) < set(datamodule.corpus.clip_ids[datamodule.rows("test")])


def test_what_is_shown_are_the_selected_weights_and_not_the_latest(dgm):
    datamodule = SemiSupervisedDataModule(Tiny(), batch_size=16)
    scene = scene_of(datamodule, dgm, dgm.shown())
    before = reconstructed(scene.model, scene.clips, 1)
    with torch.no_grad():
        for weights in dgm.generator.parameters():
            weights.zero_()
        assert reconstructed(dgm.shown(), scene.clips, 1).equal(before)
        for weights in dgm.best_generator.parameters():
            weights.zero_()
        assert not reconstructed(dgm.shown(), scene.clips, 1).equal(before)


@pytest.mark.slow
def test_one_class_a_clip_is_answered_by_one_class(tmp_path):
    folder = run(tmp_path, "method=dgm", *SMALL, "dataset._target_=tests.support.kinds.OneClass")
    assert pictures(folder) == PICTURES
    datamodule = SemiSupervisedDataModule(OneClass(), batch_size=16)
    method = trained(folder)
    scene = scene_of(datamodule, method, method.shown())
    assert (scene.clips.answers.sum(dim=1) == 1).all()
