"""SDR, SIR and SAR of separated sounds, between the bounds: the mixture and the ideal mask."""

import csv
from collections.abc import Mapping
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from rich.console import Console
from scipy.linalg import toeplitz
from scipy.signal import fftconvolve

from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.folder import RunFolder

TAPS = 512  # of the filter that BSS Eval allows between a source and its estimate
MEASURES = ("sdr", "sir", "sar")
Floats = NDArray[np.float64]


def bss_eval(sources: Floats, estimates: Floats, taps: int = TAPS) -> Floats:
    """Measure estimates of the first source, as BSS Eval 3 does.

    Vincent, Gribonval and Fevotte 2006, eqs. 11 to 17: the estimate is projected onto the space
    of the first source delayed by 0 to `taps - 1` samples (target), and of all sources so delayed
    (target + interference); what is left is the artefacts.

    Args:
        sources: The J true sources, (J, S), none of them silent.
        estimates: E estimates of the first one, (E, S).
        taps: Number of delays.

    Returns:
        SDR, SIR and SAR in dB, (E, 3); NaN for a silent estimate.
    """
    length = sources.shape[1] + taps - 1
    own = _projected(sources[:1], estimates, taps)
    both = _projected(sources, estimates, taps)
    padded = np.pad(estimates, ((0, 0), (0, length - estimates.shape[1])))
    interference, artefacts = both - own, padded - both
    parts = [(own, padded - own), (own, interference), (both, artefacts)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = [(a**2).sum(1) / (b**2).sum(1) for a, b in parts]
        decibels: Floats = 10 * np.log10(np.stack(ratios, axis=1))
    return decibels


def _projected(sources: Floats, estimates: Floats, taps: int) -> Floats:
    """Project estimates, (E, S), onto the delayed sources, (J, S); (E, S + taps - 1)."""
    count, length = len(sources), sources.shape[1] + taps - 1
    size = 1 << (length - 1).bit_length()
    spectra = np.fft.rfft(sources, size)
    of_estimates = np.fft.rfft(estimates, size)
    gram = np.empty((count * taps, count * taps))
    for i in range(count):
        for j in range(count):
            r = np.fft.irfft(spectra[i] * spectra[j].conj(), size)  # r[k] = sum s_i(n + k) s_j(n)
            block = toeplitz(np.r_[r[0], r[:-taps:-1]], r[:taps])
            gram[i * taps : (i + 1) * taps, j * taps : (j + 1) * taps] = block
    products = np.fft.irfft(of_estimates[:, None] * spectra.conj(), size)[..., :taps]  # (E, J, L)
    rows = products.reshape(len(estimates), -1).T
    gram += 1e-10 * np.trace(gram) / len(gram) * np.eye(len(gram))  # a band-limited source
    filters = np.linalg.solve(gram, rows).T.reshape(-1, count, taps)
    filtered: Floats = fftconvolve(sources[None], filters, axes=2).sum(axis=1)
    return filtered


class SeparationMeasures:
    """`separation.csv`: the measures of each test clip with the source, and two sounds to hear."""

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Measure the test clips; return the medians over the clips."""
        clips = run.corpus.clip_ids[run.datamodule.rows("test")]
        rows, first, silence = [], 0, []
        for batch in run.datamodule.batches("test"):
            sounds = {name: s.double().numpy() for name, s in _sounds(run.method, batch).items()}
            for i, clip in enumerate(clips[first : first + len(batch.x)]):
                source, mixture = sounds["source"][i], sounds["input"][i]
                if not source.any() or np.allclose(source, mixture):
                    silence.append((sounds["method"][i] ** 2).sum() / (mixture**2).sum())
                    continue
                tried = [name for name in sounds if name != "source"]
                found = np.stack([sounds[name][i] for name in tried])
                values = bss_eval(np.stack([source, mixture - source]), found)
                rows.append([clip, *values.flatten()])
            first += len(batch.x)
        with (run.folder.path / "separation.csv").open("w", newline="") as file:
            heads = [f"{m}_{name}" for name in tried for m in MEASURES]
            csv.writer(file).writerows([["clip", *heads], *rows])
        medians = dict(zip(heads, np.nanmedian([row[1:] for row in rows], axis=0), strict=True))
        for name in ("input", "method"):
            rate = round(run.method.unet.hop / run.corpus.instance_seconds)
            soundfile.write(run.folder.path / f"{name}.wav", sounds[name][0], rate)
        shown = {m: float(medians[f"{m}_method"]) for m in MEASURES}
        others = ("ungated", "input", "ideal")
        shown |= {f"sdr_{name}": float(medians[f"sdr_{name}"]) for name in others}
        return {"macro": shown, "left_in_silence": float(np.mean(silence)) if silence else None}

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print nothing more: the medians are in the table."""


def _sounds(method: Any, batch: Any) -> dict[str, torch.Tensor]:
    """Return the source, the estimate as configured and without a filter, and the two bounds."""
    with torch.no_grad():
        batch = batch.to(method.device)
        mixture, source = method.unet.sounds(batch.x)
        spectra, of_source = method.unet.spectra(batch.x)
        ideal = of_source.abs() > (spectra - of_source).abs()
        found = {
            "source": source,
            "method": method.separated(batch, method.gate),
            "ungated": method.separated(batch, False),
            "input": mixture,
            "ideal": method.unet.sound(ideal * spectra, mixture.shape[1]),
        }
    return {name: sound.cpu() for name, sound in found.items()}
