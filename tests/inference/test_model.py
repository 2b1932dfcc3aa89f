"""Predictions of a loaded network: those of its run, and independent of how sound is divided."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly

import musicssl
from musicssl.audio.decode import read_audio
from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.inference.model import Model, joined
from musicssl.networks.pooling import Instances
from musicssl.runs.checkpoint import load_method
from tests.support.commands import ROOT
from tests.support.tone_folder import CLASSES, RATE, tones


@pytest.fixture(params=["of_instances", "of_sound"])
def run(request):
    return request.getfixturevalue(request.param)


def test_test_clips_are_scored_as_in_their_run(run, recordings):
    """Oracle: predictions.npz."""
    model = musicssl.load(run.best)
    with np.load(run.path / "predictions.npz") as test:
        assert tuple(test["classes"]) == model.classes == CLASSES
        for clip, scores in zip(test["clip_ids"], test["scores"], strict=True):
            assert model.predict(recordings / clip).scores == pytest.approx(scores, abs=1e-5)


def test_the_folder_of_a_run_is_its_best_checkpoint(run, recordings):
    clip = recordings / "00.wav"
    of_folder, of_file = (musicssl.load(p).predict(clip) for p in (run.path, str(run.best)))
    assert (of_folder.scores == of_file.scores).all()


def test_instances_are_those_of_the_method(run, recordings):
    """Oracle: the method's own instances, on the whole recording."""
    method, _ = load_method(run.best)
    model = musicssl.load(run.best)
    audio = read_audio(recordings / "03.wav", RATE)
    x = torch.from_numpy(audio if model.of_sound else model.features(audio))[None]
    nothing = torch.zeros(1, 3)
    with torch.inference_mode():
        logits, log_weights = method.instances(Batch(x, nothing, nothing.bool()))
    found = model.predict(audio, RATE)
    assert found.timeline == pytest.approx(logits[0].sigmoid().numpy(), abs=1e-5)
    assert found.attention == pytest.approx(log_weights[0].exp().numpy(), abs=1e-5)
    embedded = model.embed(audio, RATE)
    assert embedded.h.shape[0] == len(embedded.times) == len(found.timeline)
    parts = torch.from_numpy(found.timeline).logit(), torch.from_numpy(found.attention).log()
    with torch.inference_mode():
        again = model.network.pooling.combine(Instances(*(part[None] for part in parts)))
    assert again.sigmoid()[0].numpy() == pytest.approx(found.scores, abs=1e-5)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 4.6, 63.7])
@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_no_division_of_the_sound_changes_the_result(run, seconds, batch_size):
    """Oracle: the network of the method on the whole recording at once."""
    model = Model(musicssl.load(run.best).description, batch_size=batch_size)
    audio, _ = tones(np.random.default_rng(1), seconds)
    method, _ = load_method(run.best)
    x = torch.from_numpy(audio if model.of_sound else model.features(audio))[None]
    nothing = torch.zeros(1, 3)
    whole = method.scores(Batch(x, nothing, nothing.bool()))[0].detach().numpy()
    for size in (997, 12_345, len(audio)):
        blocks = [audio[start : start + size] for start in range(0, len(audio), size)]
        found = model.predict_blocks(blocks)
        assert found.scores == pytest.approx(whole, abs=1e-5)
        assert found.seconds == pytest.approx(seconds, abs=1e-3)


def test_times_follow_each_other_and_end_with_the_recording(run):
    model = musicssl.load(run.best)
    for seconds in (1.0, 3.7, 5.2):
        found = model.predict(tones(np.random.default_rng(0), seconds)[0], RATE)
        assert found.times[0, 0] == 0
        assert (found.times[:, 1] > found.times[:, 0]).all()
        assert (np.diff(found.times[:, 0]) > 0).all()
        assert found.times[-1, 1] <= seconds + 1e-6
        assert found.times[-1, 1] > seconds - 0.51


def test_any_rate_and_number_of_channels(run):
    """A recording at another rate, in stereo, is scored nearly as at the rate of the network."""
    model = musicssl.load(run.best)
    fast, _ = tones(np.random.default_rng(2), 4.0, rate=44_100)
    slow = resample_poly(fast, RATE, 44_100)
    stereo = np.stack([fast + 0.1, fast - 0.1])
    found = model.predict(stereo, 44_100)
    assert found.scores == pytest.approx(model.predict(fast, 44_100).scores, abs=1e-4)
    assert found.scores == pytest.approx(model.predict(slow, RATE).scores, abs=0.1)
    assert model.predict(torch.from_numpy(fast), 44_100).seconds == 4.0


@pytest.mark.parametrize(
    ("samples", "rate", "cause"),
    [
        (np.zeros(8000, np.float32), None, "pass sample_rate"),
        (np.full(8000, np.nan, np.float32), RATE, "NaN"),
        (np.zeros((2, 2, 2), np.float32), RATE, "samples are"),
        (np.zeros(0, np.float32), RATE, "not empty"),
    ],
)
def test_samples_that_are_no_recording_are_refused(of_sound, samples, rate, cause):
    with pytest.raises(InputError, match=cause):
        musicssl.load(of_sound.best).predict(samples, rate)


@pytest.mark.slow
def test_loading_needs_neither_hydra_nor_lightning_nor_pictures(run, recordings):
    code = (
        "import sys, musicssl; assert 'torch' not in sys.modules;"
        f"musicssl.load({str(run.best)!r}).predict({str(recordings / '00.wav')!r});"
        "bad = {'hydra', 'omegaconf', 'pytorch_lightning', 'lightning_fabric', 'matplotlib',"
        "'torchmetrics', 'sklearn'} & set(sys.modules); print(sorted(bad))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120, capture_output=True
    )
    assert done.stdout.decode().splitlines()[-1] == "[]"


@pytest.mark.parametrize("lengths", [[3], [1, 1, 1, 1, 1], [2, 0, 5, 1], [7, 1, 20], [0, 4]])
def test_pieces_are_joined_as_torch_does(lengths):
    pieces = [torch.rand(1, length, 4, 2) for length in lengths]
    assert torch.equal(joined(iter(pieces)), torch.cat(pieces, dim=1))
