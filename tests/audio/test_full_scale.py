"""Samples beyond full scale in files of floats that can be used."""

import numpy as np
import soundfile

from musicssl.audio.full_scale import peak_of
from musicssl.audio.instances import instance_store
from musicssl.audio.log_mel import LogMel
from musicssl.audio.sound_files import sound_files

FEATURES = LogMel(sample_rate=8_000, n_fft=512, instance_seconds=0.5)


def test_the_peak_is_the_largest_magnitude_wherever_it_is(tmp_path):
    path = tmp_path / "a.wav"
    for place in (0, 150_000, 299_999):  # a file of more than one block
        samples = np.full(300_000, 0.5, np.float32)
        samples[place] = -1.75
        soundfile.write(path, samples, 8_000, subtype="FLOAT")
        with soundfile.SoundFile(path) as file:
            assert peak_of(path, file) == 1.75


def test_floats_of_which_some_are_beyond_full_scale_are_named_in_a_warning(tmp_path, caplog):
    samples = np.zeros(8_000, np.float32)
    samples[:1_000], samples[50] = 0.5, -3
    soundfile.write(tmp_path / "loud.wav", samples, 8_000, subtype="FLOAT")
    soundfile.write(tmp_path / "fine.wav", samples / 4, 8_000, subtype="FLOAT")
    names, cache = ["fine.wav", "loud.wav"], tmp_path / "cache"
    for open_files in (
        lambda: sound_files(tmp_path, names, 8_000, cache, 1),
        lambda: instance_store(tmp_path, names, FEATURES, cache, "c", num_workers=1),
    ):
        caplog.clear()
        open_files()
        (record,) = caplog.records
        expected = "1 files of floats have samples beyond full scale, which is 1; the largest is 3"
        assert record.message.startswith(f"{expected}, in loud.wav")
