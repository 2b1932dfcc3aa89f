"""The SoundFonts of a corpus: their paths, and whether they fit together."""

from collections.abc import Sequence
from pathlib import Path

from musicssl.datasets.synthesis.instruments import INSTRUMENTS
from musicssl.datasets.synthesis.render import default_sound_font
from musicssl.datasets.synthesis.sound_font import open_sound_font
from musicssl.datasets.synthesis.variation import usable_programs
from musicssl.errors import InputError

_DEFAULT = "default"


def font_path(name: str | Path) -> Path:
    """Return the path of a font; "default" is the font of pretty_midi."""
    return default_sound_font() if name == _DEFAULT else Path(name).expanduser().absolute()


def checked_fonts(names: Sequence[str | Path]) -> tuple[Path, ...]:
    """Return the paths of fonts that can play all classes.

    Raises:
        InputError: If one is missing, no SoundFont, named twice or cannot play a class.
    """
    found: dict[str, Path] = {}
    for name in names:
        path = font_path(name)
        font = open_sound_font(path)
        for column in range(len(INSTRUMENTS)):
            usable_programs(font, column)
        if font.identity in found:
            raise InputError(
                f"{path} is the same SoundFont as {found[font.identity]}; name it once."
            )
        found[font.identity] = path
    return tuple(found.values())


def check_disjoint(training: Sequence[Path], testing: Sequence[Path]) -> None:
    """Check that no font of the test clips is one of the training clips.

    Raises:
        InputError: If one is.
    """
    heard = identities(training)
    for font in testing:
        if open_sound_font(font).identity in heard:
            raise InputError(
                f"{font} is in dataset.test_sound_fonts and among the fonts of the training clips "
                "(dataset.sound_fonts); leave it out of one of them."
            )


def identities(fonts: Sequence[Path]) -> list[str]:
    """Return the hashes of the content of fonts."""
    return [open_sound_font(font).identity for font in fonts]
