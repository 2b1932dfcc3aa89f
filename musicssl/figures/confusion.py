"""A confusion matrix: which classes are taken for which?"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from musicssl.figures.style import PLAIN, SMALL, spacious, title_width, wrapped

_CELL_INCHES, _MARGIN_INCHES = 0.3, 2.5
_LARGEST_INCHES = 14
_MOST_NUMBERS = 24  # classes up to which each cell says its share


def draw_confusion(
    classes: Sequence[str],
    truth: NDArray[np.integer],
    answers: NDArray[np.integer],
    title: str,
) -> Figure:
    """Draw the confusion matrix of answers over true classes.

    A row is a true class and shows the share of its clips that got each answer; a class without a
    clip is left white.

    Args:
        classes: Names, (C).
        truth: The class of each clip, (N,).
        answers: The answered class of each clip, (N,).
        title: Above the picture.
    """
    shares = confusion_shares(truth, answers, len(classes))
    side = min(_MARGIN_INCHES + _CELL_INCHES * len(classes), _LARGEST_INCHES)
    figure = Figure(figsize=(max(side, 4.5), max(side, 4.5)), layout=spacious())
    axes = figure.subplots()
    figure.suptitle(wrapped(title, title_width(figure)), **PLAIN)
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    step = -(-_CELL_INCHES * len(classes) // (_LARGEST_INCHES - _MARGIN_INCHES))
    ticks = range(0, len(classes), max(int(step), 1))
    labels = [wrapped(classes[c]) for c in ticks]
    axes.set_xticks(ticks, labels, rotation=90, fontsize=SMALL, **PLAIN)
    clips = np.bincount(truth, minlength=len(classes))
    counted = [wrapped(f"{classes[c]} ({clips[c]})") for c in ticks]
    axes.set_yticks(ticks, counted, fontsize=SMALL, **PLAIN)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth (clips)")
    if len(classes) <= _MOST_NUMBERS:
        for row, column in np.argwhere(shares > 0):
            share = shares[row, column]
            ink = "white" if share > 0.6 else "black"
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, color=ink, fontsize=SMALL - 2, ha="center", va="center")
    bar = figure.colorbar(image, ax=axes, shrink=0.6)
    bar.set_label("% of the clips of a class")
    return figure


def confusion_shares(
    truth: NDArray[np.integer], answers: NDArray[np.integer], num_classes: int
) -> NDArray[np.float64]:
    """Return the share of the clips of each class that got each answer, (C, C).

    Args:
        truth: The class of each clip, (N,).
        answers: The answered class of each clip, (N,).
        num_classes: C.

    Returns:
        Rows by truth and columns by answer; a row sums to 1, or is NaN if the class has no clip.
    """
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (truth, answers), 1)
    totals = counts.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = counts / np.where(totals > 0, totals, np.nan)
    return shares
