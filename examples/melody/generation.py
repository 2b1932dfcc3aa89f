"""Melodies generated to the chords of the test songs, and how like them they are."""

import csv
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from symusic.core import NoteTick, ScoreTick, TrackTick
from torch import Tensor

from examples.melody.method import Melody
from examples.melody.mgeval import compare
from examples.melody.songs import BAR, DURATIONS, LOWEST, REST
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.folder import RunFolder

_MOST, _FILES, _TICKS = 100, 5, 1920  # clips; MIDI files; ticks of a whole note in them


class GeneratedMelodies:
    """Write generated clips as MIDI, and `mgeval.csv`."""

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Continue the first note of the test clips to their chords, and compare with the clips."""
        clips = run.datamodule.clips("test")
        x = clips.x[: min(_MOST, len(clips.x))].to(run.method.device)
        lengths = [x.shape[1]] * len(x) if clips.lengths is None else clips.lengths.tolist()
        generated = generate(run.method, x)
        folder = run.folder.path / "generated"
        folder.mkdir(exist_ok=True)
        rows = zip(x, generated, lengths, strict=False)
        pairs = [(notes_of(given[:n]), notes_of(drawn[:n])) for given, drawn, n in rows]
        pairs = [(a, b) for a, b in pairs if len(a) > 1 and len(b) > 1]
        for number, (_, notes) in enumerate(pairs[:_FILES]):
            write_midi(notes, str(folder / f"melody{number}.mid"))
        found = compare([a for a, _ in pairs], [b for _, b in pairs])
        with (run.folder.path / "mgeval.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(("feature", "kl", "overlap"))
            table.writerows((name, *likeness) for name, likeness in found.items())
        return {
            "macro": run.method.measured(run.datamodule, "test"),
            "mgeval": {name: likeness._asdict() for name, likeness in found.items()},
        }

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print the mean overlap."""
        found = document.get("mgeval")
        if found:
            values = [f["overlap"] for f in found.values() if f["overlap"] is not None]
            console.print(
                "MGEval: generated clips overlap with those of the test by "
                f"{np.nanmean(values):.3f} of 1 in the mean of {len(values)} features: "
                f"{folder.path}/mgeval.csv"
            )


@torch.inference_mode()
def generate(method: Melody, x: Tensor) -> Tensor:
    """Draw all notes but the first ones; chords change where they do in the given clips.

    Args:
        method: Trained, in evaluation mode.
        x: Clips, (N, T, F); of these, the first notes and the first chords of bars are taken.

    Returns:
        Clips, (N, T, F).
    """
    encoder, drawn = method.classifier.encoder, x.clone()
    random = torch.Generator(x.device).manual_seed(0)
    bars = (x[..., 2].diff(dim=1, prepend=x[:, :1, 2]) < 0).cumsum(dim=1)  # of the given notes
    durations = torch.tensor(DURATIONS, device=x.device)
    states: dict[str, Any] = {"pitch": None, "duration": None}
    bar = torch.zeros(len(x), dtype=torch.long, device=x.device)
    for t in range(1, x.shape[1]):
        last = drawn[:, t - 1]
        position = last[:, 2].long() + durations[last[:, 1].long()]
        bar, position = bar + position // BAR, position % BAR
        given = torch.searchsorted(bars.contiguous(), bar[:, None]).clamp(max=x.shape[1] - 1)
        at_bar = x.gather(1, given[..., None].expand(-1, -1, x.shape[2]))[:, 0]
        drawn[:, t, 3:], drawn[:, t, 2] = at_bar[:, 3:], position.float()
        for column, name in enumerate(("pitch", "duration")):
            network = encoder.get_submodule(name)
            logits, _, states[name] = network(
                drawn[:, t - 1 : t], drawn[:, t : t + 1], states[name]
            )
            shares = logits[:, 0].softmax(dim=1)
            drawn[:, t, column] = torch.multinomial(shares, 1, generator=random)[:, 0].float()
    return drawn


def notes_of(clip: Tensor) -> NDArray[np.float64]:
    """Return start and duration in sixteenths and the MIDI key of notes, (K, 3), without rests."""
    pitch, duration = clip[:, 0].long().cpu().numpy(), clip[:, 1].long().cpu().numpy()
    ticks = np.array(DURATIONS)[duration] * 16 / BAR
    starts = np.concatenate([[0], np.cumsum(ticks)[:-1]])
    notes: NDArray[np.float64] = np.stack([starts, ticks, pitch + LOWEST], axis=1)
    sounding: NDArray[np.float64] = notes[pitch != REST]
    return sounding


def write_midi(notes: NDArray[np.float64], path: str) -> None:
    """Write a melody, see `notes_of`, to a MIDI file."""
    score, track = ScoreTick(_TICKS // 4), TrackTick("melody", 0, False)
    for start, duration, key in notes.tolist():
        times = (round(start * _TICKS / 16), round(duration * _TICKS / 16))
        track.notes.append(NoteTick(*times, int(key), 80))
    score.tracks.append(track)
    score.dump_midi(path)
