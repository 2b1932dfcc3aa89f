"""Oracle: NumPy on the frames of a whole clip."""

import numpy as np

from musicssl.audio.clip_statistics import ClipStatistics
from musicssl.audio.instance_features import slopes
from musicssl.audio.log_mel import LogMel
from musicssl.audio.mfcc import MFCC

RATE = 16_000


def test_one_vector_holds_the_statistics_of_the_whole_clip():
    statistics = ClipStatistics()
    audio = np.random.default_rng(0).normal(0, 0.1, 5 * RATE // 2).astype(np.float32)
    audio[RATE:] *= 0.1
    [found] = statistics(audio)
    log_mel, mfcc = LogMel().frames(audio), MFCC().frames(audio)
    parts = {"log_mel": [log_mel], "mfcc": [mfcc, slopes(mfcc)]}
    for name, frames in parts.items():
        expected = [f(part, axis=0) for part in frames for f in (np.mean, np.std)]
        np.testing.assert_allclose(
            found[statistics.columns[name]], np.concatenate(expected), rtol=2e-3, atol=1e-3
        )
    assert len(found) == len(found[statistics.columns["both"]]) == statistics.num_features == 336
    assert len(found[statistics.columns["mfcc"]]) == 80


def test_the_sample_rate_has_a_part_in_the_name_of_a_cache():
    assert ClipStatistics().settings() != ClipStatistics(22_050).settings()
