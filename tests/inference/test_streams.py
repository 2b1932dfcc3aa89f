"""Pieces of a recording give what the whole recording gives."""

import numpy as np
import pytest

from musicssl.audio.cqt import CQT
from musicssl.audio.log_mel import LogMel
from musicssl.audio.log_mel_mfcc import LogMelMFCC
from musicssl.audio.mfcc import MFCC
from musicssl.inference.streams import segments, stream_instances


def blocks(audio, size):
    return (audio[start : start + size] for start in range(0, len(audio), size))


@pytest.mark.parametrize("samples", [0, 3, 10, 29, 30, 31, 64, 100])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_segments_are_whole_chunks_but_for_the_last(samples, block):
    audio = np.arange(samples, dtype=np.float32)
    found = list(segments(blocks(audio, block), size=20, least=10))
    assert (np.concatenate(found) == audio).all()
    assert all(len(segment) == 20 for segment in found[:-1])
    assert len(found[-1]) >= min(10, samples)
    assert len(found[-1]) < 30


def test_segments_end_with_what_the_next_ones_begin_with():
    """Oracle: slices of the whole."""
    audio = np.arange(64, dtype=np.float32)
    found = list(segments(blocks(audio, 7), size=20, least=10, reach=3))
    assert [segment.tolist() for segment in found] == [
        *(audio[start : start + 23].tolist() for start in (0, 20)),
        audio[40:].tolist(),
    ]


@pytest.mark.parametrize(
    "features",
    [
        LogMel(8000, num_mels=8),
        LogMel(8000, num_mels=8, instance_seconds=0.25),
        LogMel(22_050, num_mels=8, n_fft=512),  # frames of 1102 samples drift against seconds
        LogMel(8000, num_mels=8, frames_per_second=30, instance_seconds=0.7),
        LogMel(8000, num_mels=8, frames_per_second=7, instance_seconds=0.999),
        LogMel(8000, num_mels=8, instance_hop_seconds=0.25, statistics=["mean", "delta_std"]),
        LogMelMFCC(8000, num_mels=8, num_coefficients=4, instance_seconds=0.5),
        CQT(8000, min_hz=60.0, num_bins=60, statistics=["mean", "std"]),
        MFCC(8000, num_coefficients=4, num_mels=8),  # each frame depends on the loudest one
    ],
    ids=lambda features: f"{features.sample_rate}-{features.frames_per_second}",
)
@pytest.mark.parametrize("seconds", [0.6, 9.4, 41.37])
def test_instances_of_pieces_are_those_of_the_whole(features, seconds):
    """Oracle: the features of the whole recording."""
    rng = np.random.default_rng(0)
    audio = rng.normal(0, 0.1, int(seconds * features.sample_rate)).astype(np.float32)
    whole = features(audio)
    for piece_seconds in (0.1, 4.0, 1000.0):
        pieces = list(stream_instances(features, blocks(audio, 5000), piece_seconds))
        found = np.concatenate(pieces)
        assert found.shape == whole.shape
        assert found == pytest.approx(whole, abs=1e-6)


def test_a_long_recording_comes_in_many_pieces():
    features = LogMel(8000, num_mels=8)
    pieces = list(stream_instances(features, (np.zeros(8000, np.float32) for _ in range(300))))
    assert [len(piece) for piece in pieces[:-1]] == [120] * (len(pieces) - 1)
    assert len(pieces) > 1
    assert sum(map(len, pieces)) == 300


def test_features_without_known_frames_are_computed_at_once():
    class Means:
        sample_rate, instance_seconds = 100, 1.0

        def __call__(self, audio):
            return audio.reshape(-1, 100)

    audio = np.arange(2000, dtype=np.float32)
    [piece] = stream_instances(Means(), blocks(audio, 300))
    assert (piece == audio.reshape(-1, 100)).all()
