"""The common style of all pictures, and their files.

The colours can be told apart by colour-blind readers.
"""

import textwrap
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Okabe and Ito's palette without its yellow, which is too pale on white.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
GREY = "#767676"
DOTS_PER_INCH = 150
SMALL = 8.0  # points

PLAIN: dict[str, Any] = {"parse_math": False}  # a dollar sign in a name is a dollar sign

_TITLE = 10  # characters to an inch

_MARKERS = "osD^vP*X"
_LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Look:
    """How one of several methods is drawn, in every picture of a report.

    Attributes:
        colour: Of line and marker.
        marker: Its shape.
        line: Its style.
    """

    colour: str
    marker: str
    line: str


def looks(count: int) -> list[Look]:
    """Return that many looks, the first one black; no two of the first 56 are alike.

    >>> len(set(looks(56)))
    56
    """
    colours = cycle((COLOURS[-1], *COLOURS[:-1]))
    lines = [line for line in _LINES for _ in COLOURS]
    return [Look(*look) for look in islice(zip(colours, cycle(_MARKERS), cycle(lines)), count)]


def spacious() -> ConstrainedLayoutEngine:
    """Make room for all text, and a margin around it."""
    return ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)  # inches


def title_width(figure: Figure) -> int:
    """Return how many characters of a title fit in a line above a picture.

    >>> title_width(Figure(figsize=(8, 3)))
    80
    """
    return round(_TITLE * figure.get_figwidth())


def wrapped(name: str, width: int = 26) -> str:
    r"""Break a name into lines of at most `width` characters.

    >>> wrapped("synthesizer_of_the_seventies", 20)
    'synthesizer_of_the_s\neventies'
    """
    return textwrap.fill(name, width)


def save_png(path: Path, figure: Figure) -> Path:
    """Write a figure to a file, whose folder is made if needed; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DOTS_PER_INCH, format="png")
    return path


def save_vector(path: Path, figure: Figure) -> None:
    """Write a figure as .svg and .pdf, in the folder and by the name of `path`, for papers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "", "pdf.fonttype": 42}
    ):  # text stays text
        # Without a date, the same figure is the same file.
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
