"""Small files that ask for a lot of memory are refused in a sentence, before it is taken."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from musicssl import limits
from musicssl.datasets.base.unpack import unpack
from musicssl.datasets.formats.listed_files import ListedFiles
from musicssl.errors import InputError
from tests.support.bombs import BOMBS, outcome, zipped

ROOT = Path(__file__).parents[1]
HEAVY = {name for name in BOMBS if " GB" in name or " channels" in name}  # to write, or to read
bombs = pytest.mark.parametrize("name", BOMBS)


def check(name: str, said: str) -> None:
    expected = BOMBS[name][1]
    assert said == "read" if expected is None else expected in said
    assert "\n" not in said


@pytest.mark.parametrize("name", [name for name in BOMBS if name not in HEAVY])
def test_a_file_that_asks_for_too_much_is_refused_in_a_sentence(tmp_path, name):
    check(name, outcome(name, tmp_path / "a"))


@pytest.fixture(scope="module")
def within_bounds(tmp_path_factory):
    """What is said of all files in a process that may take 300 MB."""
    call = [sys.executable, "-m", "tests.support.bombs", str(tmp_path_factory.mktemp("bombs"))]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@bombs
def test_no_memory_is_taken_for_it(within_bounds, name):
    check(name, within_bounds[name])


def test_what_grows_as_sound_and_tables_do_is_no_fault():
    assert limits.growth_fault(limits.LARGE, 1) is None
    assert limits.growth_fault(limits.LARGE + 1, 1) is not None
    assert limits.growth_fault(900 * 2**30, 880 * 2**30) is None  # the largest corpus


def test_an_archive_larger_than_the_free_disk_is_refused_before_a_file_is_written(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(limits, "LARGE", 10**12)
    with pytest.raises(InputError, match=r"needs 999,999,999,999 bytes .* are free; make room"):
        unpack(zipped(tmp_path / "a.zip", 999_999_999_999), tmp_path / "out")
    assert not list(tmp_path.glob("**/a.wav"))


@pytest.mark.parametrize("cell", ["../a.wav", "x/../../a.wav", "/etc/passwd", r"..\a.wav", r"C:\a"])
def test_paths_stay_below_the_root(tmp_path, cell):
    (tmp_path / "a.wav").touch()
    (tmp_path / "root" / "x").mkdir(parents=True)
    with pytest.raises(InputError, match=r"is not inside the root; write it relative"):
        ListedFiles(tmp_path / "root").path(cell)


def test_names_longer_than_file_systems_have_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"'aaaa.*' *\.\.\. is longer than the name of a file"):
        ListedFiles(tmp_path).path("a" * 5_000)


def test_links_of_the_user_may_lead_out_of_the_root(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for folder in (root, elsewhere):
        folder.mkdir()
    (elsewhere / "a.wav").touch()
    (root / "disk").symlink_to(elsewhere)
    (root / "b.wav").symlink_to(elsewhere / "a.wav")
    files = ListedFiles(root)
    assert [files.path(cell) for cell in ("disk/a.wav", "b.wav")] == ["disk/a.wav", "b.wav"]
    files.check(["disk/a.wav", "b.wav"])
