"""The attention timeline: where in a clip a model looks for each class, and whether it is there.

Figure 3.5 of Gururani's thesis: the attention of a class over time beneath the mel-spectrogram of
the clip. We add the probability of each instance, and the truth where the corpus knows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from musicssl.figures.layout import Page
from musicssl.figures.style import COLOURS, GREY, PLAIN, SMALL, wrapped

Floats = NDArray[np.floating]

_PLAYS, _SILENT = COLOURS[2], "#E6E6E6"
_LANE_INCHES, _LINE_INCHES = 0.17, 0.17


@dataclass(frozen=True)
class _Lane:
    """One strip of every row: a value per instance and class, (T, R), and its colours."""

    label: str
    values: Floats
    colormap: Colormap
    greatest: float
    key: str | None

    @property
    def norm(self) -> Normalize:
        """From 0, so that no weight has no colour, to the greatest value."""
        return Normalize(0, self.greatest)


def draw_attention_timeline(
    spectrogram: Floats,
    clip_seconds: float,
    classes: Sequence[str],
    attention: Floats,
    scores: Floats | None,
    activity: NDArray[np.bool_] | None,
    instance_seconds: float,
    title: str,
    sample_rate: int | None = None,
) -> Figure:
    """Draw where in a clip a model looks for each class: the thesis's Figure 3.5, with the truth.

    All strips share the time axis of the spectrogram. Instance t covers the seconds from t to t + 1
    times `instance_seconds`, the last one ends with the clip.

    Args:
        spectrogram: Log-mel frames spread evenly over the clip, (K, F) in [0, 1].
        clip_seconds: Duration of the clip, in seconds.
        classes: Names of the R >= 1 classes shown, top to bottom.
        attention: Pooling weights of the valid instances, (T, R), >= 0; drawn from 0 to the
            greatest one.
        scores: Instance probabilities, (T, R), or None to leave them out.
        activity: True where the class sounds, (T, R), or None where that is not known.
        instance_seconds: Duration of an instance, in seconds.
        title: Above the picture.
        sample_rate: Sample rate of the audio in Hz, if the F bands are spread evenly in mel from 0
            Hz to half of it, as those of `LogMel` are; the axis then reads in Hz. None: it counts
            bands.
    """
    lanes = _lanes(attention, scores, activity)
    title, *names = (wrapped(text, 90) for text in (title, *classes))
    page = Page(width=9, left=0.95, right=0.2, bottom=0.42)
    page.add(gap=_text_inches(title) + 0.08, height=1.9)
    for name in names:
        page.add(gap=_text_inches(name), height=_LANE_INCHES * len(lanes))
    page.add(gap=0.62, height=0.1, columns=3)
    figure, [[top], *rows, keys] = page.figure()

    top.set_title(title, fontsize=SMALL + 3, **PLAIN)
    _draw_spectrogram(top, spectrogram, clip_seconds, sample_rate)
    edges = np.minimum(np.arange(len(attention) + 1) * instance_seconds, clip_seconds)
    for row, name in enumerate(names):
        [axes] = rows[row]
        axes.sharex(top)
        _draw_row(axes, name, lanes, row, edges)
    top.set_xlim(0, clip_seconds)
    axes.tick_params(axis="x", labelbottom=True, length=3)
    axes.set_xlabel("time (s)")
    for axes, lane in zip(keys, lanes, strict=False):
        _draw_key(axes, lane)
    for axes in keys[len(lanes) :]:
        axes.remove()
    return figure


def _text_inches(text: str) -> float:
    return 0.12 + _LINE_INCHES * (text.count("\n") + 1)


def _lanes(
    attention: Floats, scores: Floats | None, activity: NDArray[np.bool_] | None
) -> list[_Lane]:
    strongest = float(attention.max())
    lanes = [_Lane("attention", attention, colormaps["Blues"], strongest, "attention weight")]
    if scores is not None:
        key = "probability of the instance"
        lanes.append(_Lane("probability", scores, colormaps["Oranges"], 1, key))
    if activity is not None:
        two = ListedColormap([_SILENT, _PLAYS])
        lanes.append(_Lane("truth", activity.astype(np.float64), two, 1, None))
    return lanes


def _draw_spectrogram(
    axes: Axes, spectrogram: Floats, clip_seconds: float, sample_rate: int | None
) -> None:
    num_mels = spectrogram.shape[1]
    extent = (0, clip_seconds, 0, num_mels)
    axes.imshow(
        spectrogram.T, "magma", aspect="auto", origin="lower", extent=extent, vmin=0, vmax=1
    )
    if sample_rate is None:
        axes.set_ylabel("mel band")
    else:
        hertz = 125 * 4 ** np.arange(8)
        hertz = hertz[hertz <= sample_rate / 2]
        axes.set_yticks(_band(hertz, num_mels, sample_rate), [f"{f}" for f in hertz])
        axes.set_ylabel("frequency (Hz)")
    axes.tick_params(axis="x", labelbottom=False)
    axes.tick_params(labelsize=SMALL)


def _band(hertz: NDArray[np.int64], num_mels: int, sample_rate: int) -> NDArray[np.float64]:
    """Where a frequency lies among bands spread evenly in mel (HTK) up to half the sample rate."""
    mel, highest = np.log1p(hertz / 700), np.log1p(sample_rate / 2 / 700)
    bands: NDArray[np.float64] = mel / highest * (num_mels + 1) - 0.5  # band k is drawn at k + 0.5
    return bands


def _draw_row(
    axes: Axes, name: str, lanes: Sequence[_Lane], row: int, edges: NDArray[np.float64]
) -> None:
    for level, lane in enumerate(lanes):
        strip = lane.values[None, :, row]  # (1, T)
        heights = [level + 0.06, level + 0.94]
        axes.pcolormesh(edges, heights, strip, cmap=lane.colormap, norm=lane.norm)
    axes.set_ylim(len(lanes), 0)
    axes.set_yticks(np.arange(len(lanes)) + 0.5, [lane.label for lane in lanes])
    axes.tick_params(labelbottom=False, length=0, labelsize=SMALL)
    axes.spines[:].set_color(GREY)
    axes.set_title(name, loc="left", fontsize=SMALL + 1, fontweight="bold", pad=2, **PLAIN)


def _draw_key(axes: Axes, lane: _Lane) -> None:
    if lane.key is None:
        patches = [Patch(color=_PLAYS, label="plays"), Patch(color=_SILENT, label="silent")]
        axes.legend(handles=patches, loc="center", ncols=2, frameon=False, fontsize=SMALL)
        axes.set_axis_off()
    else:
        mappable = ScalarMappable(lane.norm, lane.colormap)
        axes.figure.colorbar(mappable, cax=axes, orientation="horizontal")
        axes.set_xlabel(lane.key, fontsize=SMALL)
        axes.tick_params(labelsize=SMALL - 1)
