"""encoder=hear from the command line: training, its checkpoint in use, probing.

The recordings are at 8 kHz, the module reads 16 kHz. Oracle: its functions called by hand.
"""

import importlib
import sys

import numpy as np
import pytest
import torch

import musicssl
from musicssl.audio.decode import read_audio
from musicssl.cli.export import main as export
from musicssl.encoders.pretrained import hear as published
from musicssl.errors import InputError
from musicssl.runs.checkpoint import Checkpoint, load_method
from musicssl.runs.folder import RunFolder
from musicssl.runs.probes.source import of_checkpoint, untrained
from tests.support import probing_command, training_command
from tests.support.arrays import arrays_in
from tests.support.hear_modules import GOOD, write_module
from tests.support.tone_folder import CLASSES, write_folder

pytestmark = pytest.mark.slow

RATE = 16_000


@pytest.fixture
def recordings(tmp_path):
    return write_folder(tmp_path / "recordings", num_clips=20, seconds=1.3)


@pytest.fixture
def name(tmp_path, monkeypatch):
    return write_module(tmp_path, "good", monkeypatch)


def corpus(recordings):
    return (
        *("dataset=audio_folder", f"data.root={recordings}", "dataset.num_workers=1"),
        *(f"dataset.classes=[{','.join(CLASSES)}]", f"data.cache={recordings.parent}/cache"),
    )


def train(folder, recordings, name, *overrides) -> RunFolder:
    parts = ("encoder=hear", f"encoder.module={name}", "data.crop_seconds=1", *overrides)
    return training_command.run(folder, *corpus(recordings), "trainer.max_epochs=1", *parts)


def by_hand(name, function, file):
    module = importlib.import_module(name)
    torch.manual_seed(0)
    model = module.load_model()
    x = torch.from_numpy(read_audio(file, RATE))[None]
    with torch.no_grad():
        return getattr(module, function)(x, model)


def test_a_run_is_trained_loaded_and_used(recordings, name, tmp_path, monkeypatch):
    folder = train(tmp_path / "run", recordings, name, "encoder.embeddings=timestamps")
    assert folder.settings()["features"]["sample_rate"] == RATE
    weights = Checkpoint.read(folder.best).weights
    assert [key for key in weights if "encoder" in key] == ["classifier.encoder.weights_digest"]

    with pytest.raises(InputError, match=f"wants to call {name}; if you know and trust it"):
        musicssl.load(folder.best)
    model = musicssl.load(folder.best, trusted=[name])
    h, times = model.embed(recordings / "00.wav")
    expected, centres = by_hand(name, "get_timestamp_embeddings", recordings / "00.wav")
    np.testing.assert_array_equal(h, expected[0])
    assert (
        (times[:, 0] <= centres[0].numpy() / 1000) & (centres[0].numpy() / 1000 <= times[:, 1])
    ).all()
    assert model.predict(recordings / "00.wav").timeline.shape == (len(h), len(CLASSES))

    checkpoint = Checkpoint.read(folder.best)
    source, before = of_checkpoint(checkpoint, [name]), untrained(checkpoint, 0, [name])
    assert source.network.encoder.digest == before.network.encoder.digest
    assert (before.origin.kind, before.origin.label) == ("pretrained", name)
    with pytest.raises(InputError, match=r"is frozen; add encoder\.trainable=true"):
        _ = source.encoder

    with pytest.raises(SystemExit):
        export([str(folder.best), str(tmp_path / "model"), "--trusted", name])
    assert not (tmp_path / "model").exists()

    monkeypatch.delitem(sys.modules, name)
    (tmp_path / f"{name}.py").unlink()
    importlib.invalidate_caches()
    published._cached.cache_clear()  # as in another process
    for load in (musicssl.load, load_method):
        with pytest.raises(InputError, match=f"there is no module {name}; install its package"):
            load(folder.best, trusted=[name])


def test_a_model_is_trained_on_and_kept_in_the_checkpoint(recordings, name, tmp_path):
    words = ("encoder.trainable=true", "optimizer.lr=0.1", "pooling.start=random")
    folder = train(tmp_path / "run", recordings, name, *words)
    weights = Checkpoint.read(folder.best).weights
    drawn = by_hand(name, "get_scene_embeddings", recordings / "00.wav")
    h = musicssl.load(folder.best, trusted=[name]).embed(recordings / "00.wav").h
    assert h.shape == drawn.shape == (1, 6)
    assert "classifier.encoder.model.layer.weight" in weights
    assert not np.allclose(h, drawn, atol=1e-3)


def test_other_weights_at_the_same_path_are_refused(recordings, name, tmp_path):
    file = tmp_path / "weights.pt"
    torch.save({"layer.weight": torch.ones(4, 2), "layer.bias": torch.zeros(4)}, file)
    parts = (f"encoder.weights={file}", "pooling=mean")
    folder = train(tmp_path / "run", recordings, name, *parts)
    torch.save({"layer.weight": torch.ones(4, 2), "layer.bias": torch.ones(4)}, file)
    with pytest.raises(InputError, match="their SHA-256 differs"):
        load_method(folder.best, trusted=[name])
    with pytest.raises(InputError, match="weights of the encoder"):
        train(tmp_path / "run", recordings, name, *parts)
    file.unlink()
    with pytest.raises(InputError, match="there is no such file or folder"):
        load_method(folder.best, trusted=[name])


@pytest.mark.parametrize("kind", ["scene", "timestamps"])
def test_probed_embeddings_are_those_of_the_module(recordings, name, tmp_path, kind):
    saved = tmp_path / "saved.npz"
    choice = ("encoder=hear", f"encoder.module={name}", f"encoder.embeddings={kind}")
    folder = probing_command.run(
        tmp_path / "probe",
        *(*corpus(recordings), *choice, f"embeddings.save={saved}", "data.p_s=1.0", "seeds=1"),
    )
    assert folder.is_complete
    found = arrays_in(saved)
    functions = {"scene": "get_scene_embeddings", "timestamps": "get_timestamp_embeddings"}
    for clip, h in zip(found["clip_ids"], found["embeddings"], strict=True):
        expected = by_hand(name, functions[kind], recordings / str(clip))
        mean = expected if kind == "scene" else expected[0].mean(dim=1)
        np.testing.assert_allclose(h.reshape(1, -1), mean, rtol=1e-4, atol=1e-5)


def test_another_rate_than_the_modules_is_refused(recordings, name, tmp_path):
    with pytest.raises(InputError, match="reads sound at 16000 Hz, got 8000"):
        train(tmp_path / "run", recordings, name, "features.sample_rate=8000")


def test_an_edited_module_is_probed_again(recordings, name, tmp_path, monkeypatch):
    """Its weights have not changed, so that only its code tells; other files are unaffected."""
    choice = ("encoder=hear", f"encoder.module={name}", "data.p_s=1.0", "seeds=1")
    found = []
    for factor in ("1.0", "2.0"):
        (tmp_path / f"{name}.py").write_text(f"{GOOD}\n    # {factor}\n".replace("1000.0", factor))
        monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        published._cached.cache_clear()
        probing_command.run(tmp_path / factor, *corpus(recordings), *choice)
        found.append({*(recordings.parent / "cache" / "embeddings").glob("[!.]*")})
    assert len(found[0]) == 2  # of the module and of log-mel statistics
    assert len(found[1] - found[0]) == 1
