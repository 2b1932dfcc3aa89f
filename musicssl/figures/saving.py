"""Figures as PNG files in the folder of a run."""

from pathlib import Path

from matplotlib.figure import Figure

from musicssl.figures.style import DOTS_PER_INCH


def save_png(path: Path, figure: Figure) -> Path:
    """Write a figure to a file, whose folder is made if needed; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DOTS_PER_INCH, format="png")
    return path
