"""Oracles: tones of known frequency; the spectra of what is made again."""

import numpy as np
import pytest

from musicssl.audio.log_mel import LogMel
from musicssl.audio.mfcc import MFCC
from musicssl.audio.resynthesis import frames_are_instances, sound_of_frames
from tests.support.composing import composed

RATE = 22_050
FEATURES = LogMel(sample_rate=RATE, num_mels=256, frames_per_second=43, instance_seconds=512 / RATE)


@pytest.mark.parametrize("frequency", [220.0, 1000.0])
def test_a_tone_is_a_tone_again(frequency):
    seconds = np.arange(RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * frequency * seconds)).astype(np.float32)
    frames = FEATURES(tone)
    sound = sound_of_frames(FEATURES, frames)
    assert sound.dtype == np.float32
    middle = sound[2048:-2048]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    peak = spectrum.argmax() * RATE / len(middle)
    assert peak == pytest.approx(frequency, abs=12)  # a bin of the features is 10.8 Hz wide
    again = FEATURES(sound)
    loud = frames[4:-4] > frames[4:-4].max() - 0.25  # within 20 dB of the loudest
    error = 80 * np.abs(again[4 : 4 + len(loud)] - frames[4:-4])[loud]
    assert error.mean() < 3  # dB


def test_the_same_frames_are_the_same_sound():
    frames = np.random.default_rng(0).random((9, 256))
    np.testing.assert_array_equal(
        sound_of_frames(FEATURES, frames), sound_of_frames(FEATURES, frames)
    )


def test_only_spectra_of_single_frames_can_be_heard():
    from hydra.utils import instantiate

    assert frames_are_instances(FEATURES)
    assert frames_are_instances(instantiate(composed("features=log_mel_frames").features))
    assert not frames_are_instances(LogMel())
    assert not frames_are_instances(LogMel(statistics=("mean", "std")))
    assert not frames_are_instances(MFCC())
