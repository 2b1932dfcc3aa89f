"""What the pictures share: colours that colour-blind readers can tell apart, and their text."""

import textwrap
from typing import Any

from matplotlib.layout_engine import ConstrainedLayoutEngine

# Okabe and Ito's palette without its yellow, which is too pale on white.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
GREY = "#767676"
DOTS_PER_INCH = 150
SMALL = 8.0  # points

PLAIN: dict[str, Any] = {"parse_math": False}  # a dollar sign in a name is a dollar sign


def spacious() -> ConstrainedLayoutEngine:
    """Make room for all text, and a margin around it."""
    return ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)  # inches


def wrapped(name: str, width: int = 26) -> str:
    r"""Break a name into lines of at most `width` characters.

    >>> wrapped("synthesizer_of_the_seventies", 20)
    'synthesizer_of_the_s\neventies'
    """
    return textwrap.fill(name, width)
