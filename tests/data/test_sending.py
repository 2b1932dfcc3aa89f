"""Sound sent as 16-bit samples. Oracle: the floats that a clip store gives, to the bit."""

import numpy as np
import pytest
import torch

from musicssl.audio.store import build_store
from musicssl.data.batches import BatchLoader
from musicssl.data.clips import SoundClips
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.joined_clips import JoinedClips, as_stored
from musicssl.data.sending import as_floats
from tests.support.tiny_sound import ArraySound, TinySound

ROWS, POSITIONS = np.array([2, 0, 1]), np.array([[0.0, 0.9], [0.3, 0.5], [0.7, 0.2]])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    def decode(name):
        rng = np.random.default_rng(int(name))
        return rng.uniform(-1.1, 1.1, 50 * (1 + int(name))).astype(np.float32)

    folder = tmp_path_factory.mktemp("stores") / "noise"
    return build_store(folder, ["0", "1", "2"], decode, 1000, num_workers=1)


def test_all_numbers_of_16_bits_become_the_floats_of_a_store():
    stored = np.arange(-(2**15), 2**15).astype(np.int16)
    floats = as_floats(torch.from_numpy(stored))
    assert floats.dtype == torch.float32
    assert floats.tolist() == [number / 2**15 for number in range(-(2**15), 2**15)]


def test_crops_are_the_same_to_the_bit_in_half_the_bytes(store):
    clips = SoundClips(store, 70)  # the first clip is shorter
    floats, stored = (each.crop(ROWS, POSITIONS) for each in (clips, as_stored(clips)))
    assert stored.x.dtype == torch.int16
    assert torch.equal(as_floats(stored.x).view(torch.int32), floats.x.view(torch.int32))
    assert 2 * stored.x.nbytes == floats.x.nbytes == 4 * 6 * 70
    assert torch.equal(stored.lengths, floats.lengths)
    assert stored.starts.tolist() == floats.starts.tolist()


def test_two_corpora_are_read_alike(store):
    clips = SoundClips(store, 70)
    joined = as_stored(JoinedClips(clips, clips, 3))
    rows = np.array([0, 5, 2])
    floats = JoinedClips(clips, clips, 3).crop(rows, POSITIONS)
    assert torch.equal(as_floats(joined.crop(rows, POSITIONS).x), floats.x)
    files = SoundClips(ArraySound([np.ones(80, np.float32)]), 70)
    for mixed in (JoinedClips(clips, files, 3), JoinedClips(files, clips, 1), files):
        assert as_stored(mixed) is mixed


def test_floats_stay_as_they_are():
    x = torch.rand(2, 3)
    assert as_floats(x) is x


def test_a_cpu_gets_batches_of_floats():
    loader = SemiSupervisedDataModule(TinySound(), batch_size=4).train_dataloader()
    assert type(loader) is BatchLoader
    assert next(iter(loader)).x.dtype == torch.float32
