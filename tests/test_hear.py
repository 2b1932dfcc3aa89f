"""musicssl as a HEAR module. Oracle: `musicssl.load`, clip by clip, and the rules of the API."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

import musicssl
from musicssl import hear
from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.crnn import CRNN
from musicssl.encoders.hear import HearEncoder
from musicssl.encoders.pretrained.hear import HearModule
from musicssl.errors import InputError
from musicssl.inference.description import Description
from musicssl.inference.exported import write_exported
from musicssl.inference.parts import described
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling

RATE = 8000
MELS = 16
KINDS = {  # an encoder of instances, a second each, and one of half seconds of sound
    "instances": (
        partial(AttEmbedding, num_layers=1, standardise=False),
        described(partial(LogMel, sample_rate=RATE, num_mels=MELS)) | {"_partial_": False},
    ),
    "sound": (
        partial(CRNN, sample_rate=RATE, chunk_samples=RATE // 2, width=4, hidden=4),
        described(partial(Waveform, sample_rate=RATE)) | {"_partial_": False},
    ),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with an exported network of each kind, whose weights are drawn."""
    folder = tmp_path_factory.mktemp("hear")
    for kind, (encoder, features) in KINDS.items():
        sizes = {"num_features": MELS, "num_instances": 3, "num_classes": 2}
        torch.manual_seed(0)
        description = Description(
            path=folder,
            encoder=described(encoder),
            pooling=described(MeanPooling),
            features=features,
            sizes=sizes,
            task="multi_label",
            classes=("low", "high"),
            weights=Classifier(encoder, MeanPooling, **sizes).state_dict(),
            decisions=None,
            origin={},
        )
        write_exported(folder / kind, description, "a card")
    return folder


def clips(seconds=3.0):
    """Return a soft, a middle and a loud clip of noise."""
    random = torch.Generator().manual_seed(0)
    noise = torch.rand(3, int(seconds * RATE), generator=random) - 0.5
    return noise * torch.tensor([[0.01], [0.1], [1.0]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [3.0, 2.7, 0.3])
def test_embeddings_are_those_of_each_clip_alone(exported, kind, seconds):
    x = clips(seconds)
    model, other = hear.load_model(str(exported / kind)), musicssl.load(exported / kind)
    scenes = hear.get_scene_embeddings(x, model)
    h, times = hear.get_timestamp_embeddings(x, model)
    assert (scenes.dtype, h.dtype, times.dtype) == (torch.float32,) * 3
    assert scenes.shape == (3, model.scene_embedding_size)
    assert (model.sample_rate, model.timestamp_embedding_size) == (RATE, h.shape[2])
    for row, clip in enumerate(x):
        expected = other.embed(clip, RATE)
        assert np.array_equal(h[row], expected.h)
        torch.testing.assert_close(scenes[row], torch.from_numpy(expected.h).mean(dim=0))
        begin, end = 1000 * expected.times.T
        assert ((begin <= times[row].numpy()) & (times[row].numpy() <= end)).all()
        assert torch.equal(hear.get_scene_embeddings(clip[None], model)[0], scenes[row])


@pytest.mark.parametrize(("kind", "interval"), [("instances", 1000), ("sound", 500)])
def test_timestamps_are_centres_in_milliseconds(exported, kind, interval):
    model = hear.load_model(str(exported / kind))
    _, times = hear.get_timestamp_embeddings(clips(), model)
    expected = np.arange(interval / 2, 3000, interval)
    np.testing.assert_allclose(times, np.broadcast_to(expected, (3, len(expected))))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("embeddings", ["scene", "timestamps"])
def test_the_api_is_kept(exported, kind, embeddings):
    module = HearModule("musicssl.hear", exported / kind)
    assert isinstance(module.model, torch.nn.Module)
    module.check(embeddings)


@pytest.mark.parametrize("kind", KINDS)
def test_a_round_trip_changes_nothing(exported, kind):
    folder, x = exported / kind, clips()
    encoder = HearEncoder(
        module="musicssl.hear", weights=str(folder), embeddings="timestamps", sample_rate=RATE
    )
    h, valid = encoder(x)
    assert valid is None
    for row, clip in enumerate(x):
        assert np.array_equal(h[row], musicssl.load(folder).embed(clip, RATE).h)


def test_a_click_shows_at_the_nearest_timestamp(exported):
    model = hear.load_model(str(exported / "sound"))
    silent = torch.zeros(1, 3 * RATE)
    click = silent.clone()
    click[0, int(1.85 * RATE) : int(1.85 * RATE) + 40] = 0.9
    h, times = hear.get_timestamp_embeddings(click, model)
    quiet, _ = hear.get_timestamp_embeddings(silent, model)
    loudest = (h - quiet).abs().sum(dim=2).argmax()
    assert times[0, loudest] == times[0, (times[0] - 1850).abs().argmin()] == 1750


def test_mistakes_are_one_sentence(exported):
    with pytest.raises(InputError, match="needs a trained model"):
        hear.load_model()
    model = hear.load_model(str(exported / "sound"))
    with pytest.raises(InputError, match=r"must be \(clips, samples\), got \(5,\)"):
        hear.get_scene_embeddings(torch.zeros(5), model)
    with pytest.raises(InputError, match="no torch module with weights to train"):
        HearEncoder(module="musicssl.hear", weights=str(exported / "sound"), trainable=True)


@pytest.mark.slow
def test_neither_hydra_nor_lightning_nor_matplotlib_is_imported(exported):
    code = (
        "import sys, torch, musicssl.hear as h\n"
        f"m = h.load_model({str(exported / 'sound')!r})\n"
        "h.get_scene_embeddings(torch.zeros(1, 8000), m)\n"
        "bad = {'hydra', 'omegaconf', 'pytorch_lightning', 'lightning', 'matplotlib'}\n"
        "print(sorted(bad & {name.split('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
