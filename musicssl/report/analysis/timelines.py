"""Clips over time, as a run of the study pictured them, with their sound where it was kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from musicssl.evaluation.metrics import metric_info
from musicssl.report.analysis.grouping import Method
from musicssl.report.read.runs import Run
from musicssl.runs.folder import RunFolder


@dataclass(frozen=True)
class Timeline:
    """A test clip over time.

    Attributes:
        clip: The end of the picture's name, which is that of the clip.
        picture: PNG file.
        sound: FLAC file; None where the clip may not be passed on.
    """

    clip: str
    picture: Path
    sound: Path | None


@dataclass(frozen=True, eq=False)
class Timelines:
    """The test clips that one run pictured.

    Attributes:
        method: Label of its method.
        run: The run.
        clips: In the order of their names.
    """

    method: str
    run: Run
    clips: Sequence[Timeline]


def timelines(methods: Sequence[Method], metric: str) -> Timelines | None:
    """Find the clips that the best method pictured, with the most labels and the first seed.

    Args:
        methods: Methods of the study.
        metric: By whose mean over seeds methods are ranked, at the largest fraction of labels at
            which a run has pictures.

    Returns:
        The clips; None if no run has pictures of clips over time.
    """
    sign = -1 if metric_info(metric).smaller_is_better else 1
    found = []
    for method in methods:
        for p_s, cell in method.cells.items():
            mean = sign * cell.spread(metric).mean
            for seed, run in cell.runs.items():
                rank = (p_s, -float("inf") if isnan(mean) else mean, -seed)
                clips = _clips(RunFolder(run.folder))
                found += [(rank, Timelines(method.label, run, clips))] if clips else []
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _clips(folder: RunFolder) -> list[Timeline]:
    clips = []
    for picture in sorted(folder.figures.glob("timeline_*.png")):
        sound = folder.sounds / f"{picture.stem}.flac"
        name = picture.stem.removeprefix("timeline_")
        clips.append(Timeline(name, picture, sound if sound.is_file() else None))
    return clips
