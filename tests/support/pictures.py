"""What a picture must be: a PNG file, with nothing beyond its edge."""

import base64
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

PNG = b"\x89PNG\r\n\x1a\n"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg=="
)  # a whole picture of one pixel


_draw = Figure.savefig


def leave_blank(blank: bool = True) -> None:
    """Let the pictures of this process be blank, or drawn again."""
    Figure.savefig = _save_blank if blank else _draw


def are_blank() -> bool:
    return Figure.savefig is _save_blank


def _save_blank(figure: Figure, path: Path, **settings: Any) -> None:
    path.write_bytes(PIXEL)


BAD_MATH = r"$\frac$"  # would not draw if dollar signs meant mathematics


def text_beyond_the_edge(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    beyond = []
    for text in figure.findobj(lambda artist: hasattr(artist, "get_text")):
        box = text.get_window_extent()
        hidden = not text.get_visible() or not text.get_text()
        if not hidden and (box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height):
            beyond.append(text.get_text())
    return beyond


def assert_within_the_page(figure):
    figure.draw_without_rendering()
    box = figure.get_tightbbox()  # of all that is drawn, in inches
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()
