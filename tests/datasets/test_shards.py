"""A corpus in shards. Oracle: the same corpus from its clip store."""

import fsspec
import numpy as np
import pytest
import torch

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.cli import training
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.datasets import audio_folder, shards
from musicssl.datasets.audio_folder import AudioFolder
from musicssl.datasets.shards import Shards
from musicssl.errors import InputError
from musicssl.runs.folder import RunFolder
from tests.support.commands import composed
from tests.support.tone_folder import CLASSES, RATE, SOUND, write_folder

URL = "memory://bucket/tones"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("tones") / "audio", num_clips=15, seconds=1.4)
    common = ["--root", str(folder), "--num-workers", "1", "--sample-rate", str(RATE)]
    cache = ["--cache", str(folder.parent / "cache"), "--labels", "labels.csv"]
    audio_folder.main(
        [*common, *cache, "--classes", *CLASSES, "--prepare", "--shards", URL, "--shard-mb", "0.05"]
    )
    yield folder
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def plain(folder):
    cache = folder.parent / "cache"
    return AudioFolder(
        root=folder, features=Waveform(RATE), cache=cache, labels="labels.csv", classes=CLASSES
    )


def sharded(tmp_path, cache_gb=20.0, features=None):
    return Shards(URL, features or Waveform(RATE), tmp_path / "cache", cache_gb)


def batches(dataset):
    """Two epochs of training batches, with crops and labelled and unlabelled clips."""
    settings = {"p_s": 0.5, "b_s": 0.5, "batch_size": 4, "crop_seconds": 0.3, "seed": 3}
    module = SemiSupervisedDataModule(dataset, **settings)
    module.prepare_data()
    module.setup()
    loader = module.train_dataloader()
    return [batch for _ in range(2) for batch in loader]


@pytest.mark.parametrize("cache_gb", [0.0, 2e-4, 20.0])
def test_batches_are_those_of_the_corpus_itself(plain, tmp_path, cache_gb):
    expected, found = batches(plain), batches(sharded(tmp_path, cache_gb))
    assert len(found) == len(expected) > 2
    for ours, theirs in zip(found, expected, strict=True):
        for tensor, other in zip(ours, theirs, strict=True):
            assert tensor is other is None or torch.equal(tensor, other)


def test_the_corpus_is_the_same_one(plain, tmp_path):
    ours, theirs = sharded(tmp_path).load(), plain.load()
    assert ours.identity() == theirs.identity()
    assert (ours.name, ours.classes, ours.task) == (theirs.name, theirs.classes, theirs.task)
    clip = str(theirs.clip_ids[3])
    audio, rate = sharded(tmp_path).audio(clip)
    assert rate == RATE
    np.testing.assert_allclose(audio, plain.audio(clip)[0], rtol=0, atol=1 / 65536)


def run_in(folder, *settings):
    run = RunFolder(folder)
    training.run(composed("train", folder, *settings), run)
    return run


@pytest.mark.slow
def test_a_run_on_shards_has_the_weights_of_one_on_the_corpus(folder, tmp_path):
    common = (
        *(
            *SOUND,
            f"data.cache={folder.parent}/cache",
            f"features.sample_rate={RATE}",
            "data.crop_seconds=0.5",
            "data.batch_size=8",
        ),
        *("baselines=false", "trainer=cpu", "trainer.max_epochs=1"),
    )
    listed = f"dataset.classes=[{','.join(CLASSES)}]"
    plain = run_in(tmp_path / "a", "dataset=audio_folder", f"data.root={folder}", listed, *common)
    ours = run_in(tmp_path / "b", "dataset=shards", f"data.root={URL}", *common)
    weights = [torch.load(run.best, weights_only=True)["state_dict"] for run in (plain, ours)]
    for name, tensor in weights[0].items():
        assert torch.equal(weights[1][name], tensor), name
    assert ours.metrics.read_text() == plain.metrics.read_text()


def test_the_command_counts_and_verifies(folder, capsys):
    assert shards.main(["--root", URL, "--verify"]) == 0
    said = capsys.readouterr().out
    assert "audio_folder" in said
    assert (
        f"Shards: 7 with 15 clips, 0.01 h at {RATE} Hz, 0.00 GB, at {URL}, checksums right" in said
    )


def test_features_that_shards_do_not_have_are_refused(folder, tmp_path):
    with pytest.raises(
        InputError, match=r"at 8000 Hz, not at 16000; type features.sample_rate=8000"
    ):
        sharded(tmp_path, features=Waveform(16_000)).load()
    with pytest.raises(InputError, match=r"type features=waveform and an encoder of sound"):
        sharded(tmp_path, features=LogMel()).load()
    with pytest.raises(InputError, match=r"type data.root=FOLDER, or data.root=URL"):
        Shards(None).load()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shards", URL, "--shard-mb", "0"], "--shard-mb must be a positive number"),
        (["--shards", "/dev/null/shards"], "--shards: /dev/null is a file"),
        (["--shards", "nowhere://bucket"], "nowhere://bucket cannot be opened"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_recordings_are_decoded(
    folder, tmp_path, capsys, words, message
):
    cache = ["--cache", str(tmp_path / "cache"), "--labels", "labels.csv", "--prepare"]
    with pytest.raises(SystemExit, match="2"):
        audio_folder.main(["--root", str(folder), *cache, *words])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()
