"""A folder of recordings with a table of labels, and the corpus of it."""

import numpy as np
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.datasets.audio_folder import AudioFolder

FEATURES = LogMel(sample_rate=8_000, num_mels=16, n_fft=512)
ALONE = ("--num-workers", "1")
TABLE = """path,labels,split,group
a.wav,cello,train,x
b/c.flac,flute,train,y
d.ogg,cello;flute,test,z
e.mp3,,train,
"""


def write_folder(tmp_path):
    """Write five recordings, four of them in the table, and return their folder."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "audio"
    (folder / "b").mkdir(parents=True)
    clips = {"a.wav": (8_000, 2), "b/c.flac": (44_100, 3), "d.ogg": (48_000, 1)}
    clips |= {"e.mp3": (16_000, 1.2), "f.wav": (22_050, 2)}
    for name, (rate, seconds) in clips.items():
        soundfile.write(folder / name, rng.uniform(-0.5, 0.5, (round(rate * seconds), 2)), rate)
    (folder / "labels.csv").write_text(TABLE)
    return folder


def maker(root):
    """Return a function that makes the corpus with other settings."""

    def make_dataset(**settings):
        defaults = {"root": root, "labels": "labels.csv", "cache": root.parent / "cache"}
        return AudioFolder(**(defaults | {"features": FEATURES, "num_workers": 1} | settings))

    return make_dataset
