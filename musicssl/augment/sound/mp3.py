"""MP3 compression."""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import soundfile as sf
import torch
from joblib import cpu_count
from torch import Tensor

from musicssl.augment.dsp.padding import clip_lengths
from musicssl.errors import InputError

_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz, all rates of MP3


class MP3:
    """Encode and decode each clip at a variable bit rate, without a shift in time.

    The encoder, LAME inside libsndfile, stores its delay, and the decoder removes it. It runs on
    all cores of the CPU, about 15 ms of one core for 2.7 s of sound: a tensor on a GPU is copied
    there and back. The transform is not random and passes no gradient.

    Args:
        quality: Quality of LAME's variable bit rate, from 0, the best, to 9, the smallest file.
        sample_rate: Sample rate, in Hz; MP3 must support it.

    Raises:
        InputError: If the quality lies outside [0, 9], or MP3 does not support the sample rate.
    """

    of_sound = True

    def __init__(self, quality: float, sample_rate: int) -> None:
        if not 0 <= quality <= 9:
            raise InputError(f"mp3.quality must lie between 0 (best) and 9, got {quality:g}.")
        if sample_rate not in _RATES:
            rates = ", ".join(map(str, _RATES))
            raise InputError(
                f"mp3.sample_rate={sample_rate} is not supported by MP3; choose from {rates}."
            )
        self.compression = quality / 10  # soundfile's scale, from 0 to 1
        self.sample_rate = sample_rate

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""
        clips = x.detach().float().cpu().numpy()
        ends = clip_lengths(x, lengths).squeeze(1).tolist()
        result = np.zeros_like(clips)

        def compress(row: int) -> None:
            result[row, : ends[row]] = self._through_file(clips[row, : ends[row]])

        with ThreadPoolExecutor(cpu_count()) as threads:  # libsndfile lets other threads run
            list(threads.map(compress, range(len(clips))))
        return torch.from_numpy(result).to(x)

    def _through_file(self, clip: np.ndarray[Any, np.dtype[np.float32]]) -> Any:
        """Write samples to a file in memory and read them back, (S,)."""
        file = io.BytesIO()
        sf.write(
            file,
            clip,
            self.sample_rate,
            format="MP3",
            compression_level=self.compression,
            bitrate_mode="VARIABLE",
        )
        file.seek(0)
        return sf.read(file, dtype="float32")[0]
