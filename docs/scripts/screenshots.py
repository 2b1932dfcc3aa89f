"""Screenshots of HTML pages in a real browser, for docs/gallery.md.

    python docs/scripts/screenshots.py report/index.html docs/gallery/report.png --dark
    python docs/scripts/screenshots.py report/index.html docs/gallery/phone.png --width 390

Chromium must be installed (`apt install chromium`); it runs without a window.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str:
    """Return the path of a browser."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    sys.exit(f"error: none of {', '.join(BROWSERS)} is installed; apt install chromium.")


def take(page: Path, picture: Path, width: int, height: int, dark: bool = False) -> None:
    """Write the top of a page as a picture.

    Args:
        page: HTML file.
        picture: PNG file.
        width: Of the window, in pixels. Windows narrower than 500 are shown in a frame, because
            Chromium has no narrower ones.
        height: Of the window.
        dark: Whether the system is in dark mode.
    """
    picture.parent.mkdir(parents=True, exist_ok=True)
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    with tempfile.TemporaryDirectory() as folder:
        shown = page.resolve().as_uri()
        if width < 500:
            frame = Path(folder) / "frame.html"
            frame.write_text(
                f'<body style="margin:0"><iframe src="{shown}" width="{width}" height="{height}" '
                'style="border:0"></iframe>'
            )
            shown = frame.as_uri()
        command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [*scheme, f"--window-size={width},{height}", f"--screenshot={picture}", shown]
        subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    """Take one screenshot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1100)
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    take(options.page, options.picture, options.width, options.height, options.dark)


if __name__ == "__main__":
    main()
