"""The files that a table names, found although their names are written in another way."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath

from musicssl.audio.files import audio_files, every_file, other_audio_files
from musicssl.datasets.base.recordings import shortened
from musicssl.errors import InputError

_LONGEST_NAME = 255  # bytes, on all usual file systems
_SEARCHED = 20_000  # files among which a misspelt name is looked for


class ListedFiles:
    r"""The files under a root, by the paths in a table.

    A path may be absolute, if it lies below the root. It may be written as on Windows (`a\b.wav`),
    in another Unicode form (macOS decomposes letters such as é), or without the ending, if one
    audio file fits.

    No path in a table can lead out of the root, neither by `..` nor as an absolute path. Symbolic
    links below the root may lead out of it: only a user makes them, to keep sound on another disk,
    for archives with links are not unpacked.

    Args:
        root: The folder to which the paths are relative.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, cell: str) -> str:
        """Return the path of the file that a cell means, relative to the root, with `/`.

        If there is no such file, it is the path as written, `a/b.wav` for `./a//b.wav`.

        Raises:
            InputError: If the path does not lie below the root, or several files fit.
        """
        path = self._below_root(cell)
        if path.isascii() and (self.root / path).is_file():
            return path
        form = unicodedata.normalize("NFC", path)
        same = self._by_form.get(form, [])
        if path in same or (not same and (self.root / path).is_file()):
            return path
        found = same or self._by_stem.get(form, [])
        if len(found) > 1:
            raise InputError(
                f"path {cell!r} fits several files: {shortened(found)}; write all of the name."
            )
        return found[0] if found else path

    def check(self, paths: Collection[str]) -> None:
        """Check that files exist.

        Raises:
            InputError: If some do not, with the likely names of the first ones.
        """
        absent = [path for path in paths if not (self.root / path).is_file()]
        if absent:
            named = [path + self._hint(path) for path in absent[:10]] + absent[10:]
            raise InputError(
                f"{len(absent)} of the {len(paths)} files in the table of labels are not under "
                f"{self.root}: {shortened(named)}; correct the paths, add the files, remove their "
                "rows, or set data.root to the folder to which the paths are relative."
            )

    def _below_root(self, cell: str) -> str:
        if max(map(len, cell.encode(errors="replace").split(b"/"))) > _LONGEST_NAME:
            raise InputError(f"path {cell[:60]!r}... is longer than the name of a file can be.")
        path = PurePosixPath(cell)
        if "\\" in cell and not (self.root / cell).is_file():
            windows = PureWindowsPath(cell)
            path = PurePosixPath(windows.as_posix())
            if windows.drive or windows.root:
                raise _outside(cell)
        if path.is_absolute():
            path = self._relative(path, cell)
        if not path.parts or ".." in path.parts:
            raise _outside(cell)
        return str(path)

    def _relative(self, path: PurePosixPath, cell: str) -> PurePosixPath:
        for root in (self.root.absolute(), self.root.resolve()):
            if path.is_relative_to(root):
                return path.relative_to(root)
        raise _outside(cell)

    def _hint(self, path: str) -> str:
        guess = self._nearest(path)
        return "" if guess is None else f" (did you mean {guess}?)"

    def _nearest(self, path: str) -> str | None:
        """Return the file that was probably meant."""
        folder, _, rest = path.partition("/")
        if rest in self._files and folder in (self.root.name, self.root.resolve().name):
            return rest
        name = PurePosixPath(path).name
        for found in (
            self._by_case.get(path.lower()),
            self._by_name.get(name),
            self._by_stem.get(_stem(path)),
            self._by_name.get(_stem(name)),
        ):
            if found is not None and len(found) == 1:
                return found[0]
        if len(self._files) > _SEARCHED:
            return None
        digits = _digits(path)  # another number is another file, not a misspelt name
        stems = {_stem(other): other for other in self._files if _digits(other) == digits}
        alike = get_close_matches(_stem(path), stems, n=1, cutoff=0.8)
        return stems[alike[0]] if alike else None

    @cached_property
    def _files(self) -> set[str]:
        return every_file(self.root)

    @cached_property
    def _by_form(self) -> dict[str, list[str]]:
        return _grouped(self._files, lambda path: unicodedata.normalize("NFC", path))

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        audio = audio_files(self.root) | other_audio_files(self.root)
        return _grouped(audio, lambda path: _stem(unicodedata.normalize("NFC", path)))

    @cached_property
    def _by_case(self) -> dict[str, list[str]]:
        return _grouped(self._files, str.lower)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Files by their names without folders, and audio files also without the ending."""
        audio = [path for paths in self._by_stem.values() for path in paths]
        without = _grouped(audio, lambda path: PurePosixPath(path).stem)
        return without | _grouped(self._files, lambda path: PurePosixPath(path).name)


def _grouped(paths: Collection[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for path in sorted(paths):
        groups[key(path)].append(path)
    return dict(groups)


def _stem(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))


def _digits(path: str) -> str:
    return "".join(filter(str.isdigit, path))


def _outside(cell: str) -> InputError:
    return InputError(
        f"path {cell!r} is not inside the root; write it relative to data.root, without '..'."
    )
