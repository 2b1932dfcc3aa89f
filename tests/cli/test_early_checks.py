"""Mistakes are found before a corpus is prepared, and looking for them changes no run."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import read_write

from musicssl.cli import probing, training
from musicssl.data.outline import Outline
from musicssl.datasets.synthband import Synthband
from musicssl.encoders.fc import FullyConnected
from musicssl.errors import InputError
from musicssl.runs.folder import RunFolder
from musicssl.runs.probes.folder import ProbeFolder
from tests.support.commands import SEARCH_PATH, composed
from tests.support.preloaded import ROOT
from tests.support.quick import slow_after
from tests.support.tiny import Tiny
from tests.support.training_command import run

PREPARED = "the corpus is being prepared"


@pytest.fixture
def unprepared(monkeypatch):
    """The embedded corpus, whose clips must not be rendered."""

    def prepare(self):
        raise AssertionError(PREPARED)

    monkeypatch.setattr(Synthband, "prepare", prepare)
    monkeypatch.setattr(Synthband, "load", prepare)


def train(folder: Path, *overrides: str) -> None:
    config = composed("train", folder, SEARCH_PATH, "trainer=cpu", "dataset=synthband", *overrides)
    training.run(config, RunFolder(folder))


TRAINING = {
    "data.val_list=/nowhere": "data.val_list=/nowhere: there is no such file",
    "finetune.checkpoint=/nowhere.ckpt": "there is no checkpoint /nowhere.ckpt",
    "method=distill": "this method learns from a teacher",
    "pooling.statistics=-1": "pooling.statistics must be 0 or more",
    "encoder.dropout=2": "dropout probability has to be between 0 and 1",
    "method=mean_teacher views=sound": "views of sound were chosen, but the encoder gets instances",
    "encoder=samplecnn features=log_mel": "encoder=samplecnn reads sound, but the data are instan",
    "loss=squared_error": "loss=squared_error is not for targets of the kind multi_label",
    "data.p_s=3": "data.p_s must be in",
    "method=east teacher_embeddings=/nowhere.npz": "there is no file of embeddings /nowhere.npz",
    "+trainer.nothing=1": "trainer.nothing is no setting",
    "select=auroc": "select must be last, or begin with val/",
    "corruption=all": "corruption=... changes sound",
    "encoder=wide_resnet finetune.checkpoint=CKPT finetune.frozen=[decoder]": "no part 'decoder'",
    "method=dgm dataset.target=attributes": "draws batches for each class, but synthband is a regr",
    "mixing=mixup mixing.alpha=-1": "mixing.alpha must be 0 or more",
    "method=mean_teacher method.consistency_weight=-1": "method.consistency_weight must be 0 or",
    "encoder=att features=waveform": "the encoder reads instances, but the data are sound",
}


@pytest.mark.parametrize(("typed", "message"), slow_after(8, TRAINING.items()))
def test_a_mistake_in_a_run_is_found_before_its_corpus_is_prepared(
    unprepared, tmp_path, typed, message
):
    (tmp_path / "best.ckpt").touch()
    with pytest.raises(InputError, match=message):
        train(tmp_path / "run", *typed.replace("CKPT", str(tmp_path / "best.ckpt")).split())
    assert not (tmp_path / "run").exists()


def test_without_a_mistake_the_corpus_is_prepared(unprepared, tmp_path):
    with pytest.raises(AssertionError, match=PREPARED):
        train(tmp_path / "run")


def test_the_folder_of_the_unlabelled_corpus_is_looked_for_first(unprepared, tmp_path):
    for corpus in ("gtzan", "folk", "openmic", "shards"):
        root = tmp_path / "missing"
        other = (f"unlabelled={corpus}", f"unlabelled.root={root}", "method=mean_teacher")
        with pytest.raises(InputError, match=r"the unlabelled corpus .*missing"):
            train(tmp_path / "run", *other)


def test_both_corpora_must_have_the_same_features(unprepared, tmp_path):
    other = "unlabelled=synthband", "method=mean_teacher"
    config = composed("train", tmp_path / "run", "trainer=cpu", *other)
    config.unlabelled.features = {**config.features, "num_mels": 40}
    with pytest.raises(InputError, match="have different features"):
        training.run(config, RunFolder(tmp_path / "run"))


def test_a_job_of_a_sweep_fails_before_its_corpus_is_prepared(unprepared, tmp_path, capsys):
    config = composed("train", tmp_path / "runs" / "a", "trainer=cpu", "pooling.statistics=-1")
    with read_write(HydraConfig.get()) as hydra:
        hydra.mode, hydra.sweep.dir = RunMode.MULTIRUN, str(tmp_path / "runs")
    outcome = training.train(config)
    assert (outcome.state, outcome.mistake) == ("failed", True)
    assert "pooling.statistics must be 0 or more" in outcome.cause


PROBES = {
    "encoder.dropout=2": "dropout probability has to be between 0 and 1",
    "encoder=cnn features=log_mel": "encoder=cnn reads sound, but the data are instances",
    "probe.strengths=[-1]": "strengths must be above 0",
    "probe=weighted_layers": "needs embeddings with layers",
    "data.batch_size=0": "data.batch_size must be a whole number from 1 up",
    "data.val_list=/nowhere": "data.val_list=/nowhere: there is no such file",
    "corruption=all": "corruption=... changes sound",
    "embeddings=/nowhere.npz": "there is no file of embeddings /nowhere.npz",
}


@pytest.mark.parametrize(("typed", "message"), slow_after(3, PROBES.items()))
def test_a_mistake_in_a_probe_is_found_before_its_corpus_is_prepared(
    unprepared, tmp_path, typed, message
):
    source = () if "embeddings" in typed or "encoder=" in typed else ("encoder=att",)
    choices = ("dataset=synthband", "device=cpu", *source, *typed.split())
    config = composed("probe", tmp_path / "probe", SEARCH_PATH, *choices)
    with pytest.raises(InputError, match=message):
        probing.run(config, ProbeFolder(tmp_path / "probe"))


def test_building_a_method_beforehand_leaves_the_weights_of_a_seed_as_they_are(
    tmp_path, monkeypatch
):
    """An encoder that is built for more instances beforehand draws more random numbers there."""
    settings = ("encoder=fc", "pooling=mean", "trainer.max_epochs=1")
    expected = run(tmp_path / "without", *settings)
    built: list[int] = []
    build = FullyConnected.__init__

    def counted(self, num_features, num_instances, *more, **others):
        built.append(num_instances)
        build(self, num_features, num_instances, *more, **others)

    monkeypatch.setattr(FullyConnected, "__init__", counted)
    outline = Outline("tiny", "multi_label", 8, 50, ("a", "b", "c"))
    monkeypatch.setattr(Tiny, "outline", lambda self: outline, raising=False)
    found = run(tmp_path / "with", *settings)
    assert built[:2] == [50, 5]
    ours, theirs = (torch.load(folder.best, weights_only=True) for folder in (found, expected))
    assert ours["state_dict"].keys() == theirs["state_dict"].keys()
    for name, weights in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][name], weights), name


def test_labels_that_cannot_be_learnt_are_found_in_the_annotations(tmp_path):
    """Folders of recordings that no decoder could read."""
    for name in ("a", "b"):
        (tmp_path / "audio" / name).mkdir(parents=True)
        (tmp_path / "audio" / name / "1.wav").write_bytes(b"no sound")
    (tmp_path / "audio" / "labels.csv").write_text(
        "path,label,split\na/1.wav,a,test\nb/1.wav,b,train\n"
    )
    own = ("dataset=audio_folder", f"data.root={tmp_path / 'audio'}", "trainer=cpu")
    config = composed("train", tmp_path / "run", *own)
    with pytest.raises(InputError, match="no training clip is of class 'a'"):
        training.run(config, RunFolder(tmp_path / "run"))
    config = composed("train", tmp_path / "run", *own, "data.labels=null")
    with pytest.raises(InputError, match="no clip has a label"):
        training.run(config, RunFolder(tmp_path / "run"))


def test_a_missing_file_of_embeddings_is_found_before_the_corpus_of_its_labels_is_prepared(
    unprepared, tmp_path
):
    labels = ("dataset=embeddings", "dataset@dataset.labels=synthband", "dataset.path=a.npz")
    config = composed("train", tmp_path / "run", "trainer=cpu", *labels)
    with pytest.raises(InputError, match=r"there is no file of embeddings a\.npz"):
        training.run(config, RunFolder(tmp_path / "run"))
    np.savez(tmp_path / "a.npz", embeddings=np.zeros((2, 3), np.float32), clip_ids=["a", "b"])
    config.dataset.path = str(tmp_path / "a.npz")
    config.encoder.dropout = 2
    with pytest.raises(InputError, match="dropout probability"):
        training.run(config, RunFolder(tmp_path / "run"))


def test_weights_that_do_not_fit_are_found_before_the_corpus_is_prepared(unprepared, tmp_path):
    start = f"finetune.checkpoint={ROOT}/tests/fixtures/runs_of_0_1/att/checkpoints/best.ckpt"
    with pytest.raises(InputError, match="it was trained with encoder=att"):
        train(tmp_path / "run", start, "encoder=gru")
