"""The picture of a recording: its spectrum, and where a network finds each class."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.decode import stream_audio
from musicssl.audio.log_mel import LogMel
from musicssl.figures.style import save_png
from musicssl.figures.timeline import draw_attention_timeline
from musicssl.inference.prediction import Prediction
from musicssl.inference.streams import stream_instances

_RATE, _MELS, _PER_SECOND = 16_000, 96, 20
_COLUMNS = 1500  # of the spectrum
_ROWS = 6  # classes


def draw_prediction(path: Path, audio: Path, prediction: Prediction) -> Path:
    """Draw the classes with the greatest scores over the spectrum; return the path.

    Args:
        path: Path of the picture.
        audio: The recording, read piece by piece.
        prediction: Prediction of this recording.
    """
    shown = np.argsort(-prediction.scores, kind="stable")[:_ROWS]
    known = prediction.task != "regression"
    figure = draw_attention_timeline(
        _spectrum(audio, prediction.seconds),
        prediction.seconds,
        [f"{prediction.classes[i]}, {prediction.scores[i]:.2f}" for i in shown],
        prediction.attention[:, shown],
        prediction.timeline[:, shown] if known else None,
        None,
        float(prediction.times[0, 1] - prediction.times[0, 0]),
        audio.name,
        _RATE,
    )
    return save_png(path, figure)


def _spectrum(audio: Path, seconds: float) -> NDArray[np.float32]:
    frames = max(1, round(seconds * _PER_SECOND / _COLUMNS))  # that become one column
    features = LogMel(_RATE, _PER_SECOND, frames / _PER_SECOND, num_mels=_MELS)
    return np.concatenate(list(stream_instances(features, stream_audio(audio, _RATE))))
