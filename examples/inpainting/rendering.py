"""Inpainted tunes as MIDI and as piano rolls."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from symusic.core import NoteTick, ScoreTick, TrackTick

from examples.inpainting.method import Inpainting, bars_of
from examples.inpainting.tunes import notes_of
from musicssl.figures.style import COLOURS, GREY, save_png, spacious
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.folder import RunFolder

_CLIPS, _FIRST, _COUNT = 3, 5, 4  # clips, first missing bar and number of missing bars
_TICKS = 1920  # of a bar in MIDI files


class Inpainted:
    """Write the first test clips, as they are and with bars filled in."""

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Write `inpainted/N.mid`, `inpainted/N_original.mid` and `figures/inpainted_N.png`."""
        method: Inpainting = run.method
        bars = bars_of(run.datamodule.clips("test"))[:_CLIPS].to(method.device)
        with torch.inference_mode():
            z = method.encoder.posterior(bars).mean
            filled = method.filled(z, None, _FIRST, _COUNT)
            new = bars.clone()
            tokens = method.tokens(filled.flatten(0, 1))
            new[:, _FIRST : _FIRST + _COUNT] = tokens.view(len(bars), _COUNT, -1)
        folder = run.folder.path / "inpainted"
        folder.mkdir(exist_ok=True)
        for number, (before, after) in enumerate(zip(bars, new, strict=True)):
            tunes = [part.flatten().cpu().numpy() for part in (before, after)]
            write_midi(folder / f"{number}_original.mid", tunes[0])
            write_midi(folder / f"{number}.mid", tunes[1])
            draw_rolls(run.folder.figures / f"inpainted_{number}.png", *tunes)
        right = (new == bars)[:, _FIRST : _FIRST + _COUNT].float().mean()
        macro = method.measured(run.datamodule, "test")
        return {"macro": macro | {"right_tokens": float(right)}}

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Say where they are."""
        console.print(f"Inpainted clips: {folder.path}/inpainted, figures/inpainted_0.png")


def write_midi(path: Path, tokens: NDArray[np.int64]) -> None:
    """Write the notes of a clip, (BARS * TICKS,), to a MIDI file."""
    score, track = ScoreTick(_TICKS // 4), TrackTick("tune", 73, False)
    for start, duration, key in notes_of(tokens):
        track.notes.append(NoteTick(round(start * _TICKS), round(duration * _TICKS), key, 80))
    score.tracks.append(track)
    score.dump_midi(str(path))


def draw_rolls(path: Path, original: NDArray[np.int64], inpainted: NDArray[np.int64]) -> None:
    """Draw a clip as it is above the same clip with bars filled in, which are shaded."""
    figure = Figure(figsize=(9, 4), layout=spacious())
    axes = figure.subplots(2, 1, sharex=True, sharey=True)
    for ax, title, tokens in zip(
        axes, ("original", "inpainted"), (original, inpainted), strict=True
    ):
        for start, duration, key in notes_of(tokens):
            ax.barh(key, duration, left=start, height=0.9, color=COLOURS[0], edgecolor="white")
        ax.axvspan(_FIRST, _FIRST + _COUNT, color=GREY, alpha=0.2)
        ax.set(title=title, ylabel="MIDI key")
    axes[1].set(xlabel="bar", xticks=range(0, 17, 4), xlim=(0, 16))
    save_png(path, figure)
