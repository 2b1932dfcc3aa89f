"""Pictures as PNG files.

Each function draws with a neighbouring module that returns a `matplotlib.figure.Figure`, and saves
it. Nothing goes through pyplot, so no figure and no setting outlives the call and no display is
needed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from musicssl.figures.bars import draw_per_class_bars
from musicssl.figures.class_dots import draw_class_dots
from musicssl.figures.confusion import draw_confusion
from musicssl.figures.curves import Curve, draw_training_curves
from musicssl.figures.label_curve import Point, draw_label_curves
from musicssl.figures.scatter import draw_scatter
from musicssl.figures.style import DOTS_PER_INCH
from musicssl.figures.timeline import draw_attention_timeline


def per_class_bars(
    path: Path,
    classes: Sequence[str],
    values: Mapping[str, Sequence[float]],
    title: str,
    positives: Sequence[int] | None = None,
) -> Path:
    """Write a bar per class and metric, best class on top, and the macro mean as a line.

    Args:
        path: The PNG file to write; its folder is made if needed.
        classes: Names, (C).
        values: One or a few metrics of at most 1 by the name to show, (C) each; the first one
            orders the classes. NaN is drawn as "undefined", comes last and is left out of the mean.
        title: Above the picture.
        positives: How many clips of each class were observed as positive, (C), shown with its name.

    Returns:
        `path`.
    """
    return _save(path, draw_per_class_bars(classes, values, title, positives))


def attention_timeline(
    path: Path,
    spectrogram: NDArray[np.floating],
    clip_seconds: float,
    classes: Sequence[str],
    attention: NDArray[np.floating],
    scores: NDArray[np.floating] | None,
    activity: NDArray[np.bool_] | None,
    instance_seconds: float,
    title: str,
    sample_rate: int | None = None,
) -> Path:
    """Write where in a clip a model looks for each class: the thesis's Figure 3.5, with the truth.

    All strips share the time axis of the spectrogram. Instance t covers the seconds from t to t + 1
    times `instance_seconds`, the last one ends with the clip.

    Args:
        path: The PNG file to write; its folder is made if needed.
        spectrogram: Log-mel frames spread evenly over the clip, (K, F) in [0, 1].
        clip_seconds: Duration of the clip, in seconds.
        classes: Names of the R >= 1 classes shown, top to bottom.
        attention: Pooling weights of the valid instances, (T, R), >= 0; drawn from 0 to the
            greatest one.
        scores: Instance probabilities, (T, R), or None to leave them out.
        activity: True where the class sounds, (T, R), or None where that is not known.
        instance_seconds: Duration of an instance, in seconds.
        title: Above the picture.
        sample_rate: Of the audio in Hz, if the F bands are spread evenly in mel from 0 Hz to half
            of it, as those of `LogMel` are; the axis then reads in Hz. None: it counts bands.

    Returns:
        `path`.
    """
    figure = draw_attention_timeline(
        spectrogram,
        clip_seconds,
        classes,
        attention,
        scores,
        activity,
        instance_seconds,
        title,
        sample_rate,
    )
    return _save(path, figure)


def training_curves(
    path: Path,
    history: Mapping[str, Curve],
    title: str,
    best_epoch: int | None = None,
    unit: str = "epoch",
) -> Path:
    """Write the course of a training: losses above, metrics beneath.

    Args:
        path: The PNG file to write; its folder is made if needed.
        history: (epochs, values) by name; one that ends in "loss" or "cross_entropy" goes to the
            upper panel.
        title: Above the picture.
        best_epoch: Where to draw a vertical line: the epoch whose weights were kept.
        unit: What the first of each pair counts, and so does `best_epoch`.

    Returns:
        `path`.

    Raises:
        InputError: If there is nothing to draw.
    """
    return _save(path, draw_training_curves(history, title, best_epoch, unit))


def label_curves(
    path: Path, curves: Mapping[str, Sequence[Point]], metric: str, title: str
) -> Path:
    """Write what each method makes of few labels and of more: means over seeds, single seeds faint.

    Bars are 95 % t-intervals of the means. The methods of one fraction stand a little apart from
    left to right so that their intervals can be told apart.

    Args:
        path: The PNG file to write; its folder is made if needed.
        curves: Points in ascending order by the name of the method; the first is drawn in black.
        metric: What the values are.
        title: Above the picture.

    Returns:
        `path`.
    """
    return _save(path, draw_label_curves(curves, metric, title))


def class_dots(
    path: Path,
    classes: Sequence[str],
    values: Mapping[str, NDArray[np.floating]],
    metric: str,
    title: str,
    reference: tuple[float, str] = (0.5, "chance"),
) -> Path:
    """Write a line per class and a dot on it per method, best class of the first method on top.

    Args:
        path: The PNG file to write; its folder is made if needed.
        classes: Names, (C).
        values: By the name of the method, (C) each; NaN for a class is drawn as "undefined".
        metric: What the values are.
        title: Above the picture.
        reference: A value to mark, and what reaches it.

    Returns:
        `path`.
    """
    return _save(path, draw_class_dots(classes, values, metric, title, reference))


def confusion(
    path: Path,
    classes: Sequence[str],
    truth: NDArray[np.integer],
    answers: NDArray[np.integer],
    title: str,
) -> Path:
    """Write a square of which class was answered where which was right.

    A row is a true class and shows the share of its clips that got each answer; a class without a
    clip is left white.

    Args:
        path: The PNG file to write; its folder is made if needed.
        classes: Names, (C).
        truth: The class of each clip, (N,).
        answers: What was answered, (N,).
        title: Above the picture.

    Returns:
        `path`.
    """
    return _save(path, draw_confusion(classes, truth, answers, title))


def scatter(
    path: Path,
    names: Sequence[str],
    targets: NDArray[np.floating],
    predictions: NDArray[np.floating],
    title: str,
) -> Path:
    """Write a panel per target of a regression: what was predicted over what is true, clip by clip.

    Args:
        path: The PNG file to write; its folder is made if needed.
        names: Of the targets, (C).
        targets: (N, C); NaN is left out.
        predictions: (N, C).
        title: Above the picture.

    Returns:
        `path`.
    """
    return _save(path, draw_scatter(names, targets, predictions, title))


def _save(path: Path, figure: Figure) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DOTS_PER_INCH, format="png")
    return path
