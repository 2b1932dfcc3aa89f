"""Which network of a checkpoint is read, and which checkpoints cannot predict sound."""

import json

import pytest
import torch

import musicssl
from musicssl.audio.decode import read_audio
from musicssl.batch import Batch
from musicssl.cli.export import main as export
from musicssl.errors import InputError
from musicssl.methods.vade import VaDE
from musicssl.runs.checkpoint import load_method, read_checkpoint
from musicssl.runs.checkpoint_writing import AtomicCheckpointIO
from tests.support.tone_folder import RATE, train_on

NARROW = ("features=log_mel_means", "features.num_mels=8", "trainer.max_epochs=1")


def changed(source, target, change):
    """Write a copy of a checkpoint whose description is another."""
    content = read_checkpoint(source)
    description = json.loads(content["musicssl"])
    change(description["config"])
    content["musicssl"] = json.dumps(description)
    AtomicCheckpointIO().save_checkpoint(content, target)
    return target


def scores_of_method(path, audio, features, network=None):
    method, _ = load_method(path)
    x, nothing = torch.from_numpy(features(audio))[None], torch.zeros(1, 3)
    batch = Batch(x, nothing, nothing.bool())
    with torch.inference_mode():
        if network is None:
            return method.scores(batch)[0].numpy()
        return method.get_submodule(network).predict(batch).sigmoid()[0].numpy()


@pytest.mark.slow
def test_the_teacher_predicts_unless_the_student_is_asked_for(recordings, tmp_path):
    settings = ("method=mean_teacher", "data.p_s=0.5", "encoder.num_layers=1", *NARROW)
    run = train_on(recordings, tmp_path / "run", *settings)
    audio = read_audio(recordings / "00.wav", RATE)
    teacher, student = (musicssl.load(run.best, which=which) for which in ("best", "student"))
    expected = scores_of_method(run.best, audio, teacher.features)
    assert teacher.predict(audio, RATE).scores == pytest.approx(expected, abs=1e-6)
    expected = scores_of_method(run.best, audio, student.features, "classifier")
    assert student.predict(audio, RATE).scores == pytest.approx(expected, abs=1e-6)
    assert (student.predict(audio, RATE).scores != teacher.predict(audio, RATE).scores).all()
    assert student.decisions is None  # they were chosen for the teacher
    assert teacher.decisions is not None


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dgm", "m1"])
def test_methods_that_build_their_network_themselves(recordings, tmp_path, method):
    """Oracle: the method; the export of its network needs the method no more."""
    small = {"dgm": ["method.h1=8", "method.h2=0"], "m1": ["method.hidden=[8]"]}[method]
    settings = (f"method={method}", "method.latent_dim=2", *small, *NARROW)
    run = train_on(recordings, tmp_path / "run", *settings)
    audio = read_audio(recordings / "03.wav", RATE)
    model = musicssl.load(run.best)
    expected = scores_of_method(run.best, audio, model.features)
    assert model.predict(audio, RATE).scores == pytest.approx(expected, abs=1e-6)
    export([str(run.best), str(tmp_path / "model")])
    again = musicssl.load(tmp_path / "model").predict(audio, RATE)
    assert again.scores == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_a_mixture_is_no_encoder_with_a_pooling(recordings, tmp_path, monkeypatch):
    small = ("method.hidden=[8]", "method.latent_dim=2", "method.pretrain_epochs=0")
    run = train_on(recordings, tmp_path / "run", "method=vade", *small, *NARROW)
    audio = read_audio(recordings / "03.wav", RATE)
    model = musicssl.load(run.best)  # without labels in its batches a probe predicts
    expected = scores_of_method(run.best, audio, model.features)
    assert model.predict(audio, RATE).scores == pytest.approx(expected, abs=1e-6)
    monkeypatch.setattr(VaDE, "predicts_by_network", False)
    with pytest.raises(InputError, match="predicts by the clusters of"):
        musicssl.load(run.best)


def _without_features(config):
    del config["dataset"]["features"]


def _published(config):
    config["dataset"] |= {"_target_": "musicssl.datasets.openmic.openmic", "source": "auto"}


def _published_sound(config):
    _published(config)
    config["dataset"]["source"] = "audio"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (_without_features, "which cannot be made from sound"),
        (_published, "trained on the VGGish instances of OpenMIC"),
        (lambda c: c["method"]["encoder"].update(_target_="os.system"), "wants to call os.system"),
        (lambda c: c["method"]["encoder"].update(num_layers=3), "are not those of the network"),
        (lambda c: c["dataset"]["features"].update(colour=1), "has settings that build no"),
        (lambda c: c.pop("dataset"), "does not say what dataset was"),
    ],
)
def test_what_cannot_predict_sound_is_one_sentence(of_instances, tmp_path, change, cause):
    path = changed(of_instances.best, tmp_path / "other.ckpt", change)
    with pytest.raises(InputError, match=cause):
        musicssl.load(path)


def test_features_of_audio_of_openmic_can_be_made(of_instances, tmp_path, recordings):
    path = changed(of_instances.best, tmp_path / "other.ckpt", _published_sound)
    assert len(musicssl.load(path).predict(recordings / "00.wav").scores) == 3


def test_a_checkpoint_without_thresholds_predicts(of_instances, tmp_path, recordings):
    content = read_checkpoint(of_instances.best)
    del content["decisions"]
    AtomicCheckpointIO().save_checkpoint(content, tmp_path / "old.ckpt")
    model = musicssl.load(tmp_path / "old.ckpt")
    assert model.decisions is None
    found = model.predict(recordings / "00.wav").scores
    assert (found == musicssl.load(of_instances.best).predict(recordings / "00.wav").scores).all()
