"""Each benchmark runs to its end at its smallest size, and `make bench` reports those that fail."""

import importlib.util
import re
import shutil
import subprocess
import sys
from math import isfinite
from pathlib import Path

import pytest

from tests.support import preloaded
from tests.support.preloaded import ROOT

BENCHMARKS = sorted(
    file for file in (ROOT / "benchmarks").glob("*.py") if "__main__" in file.read_text()
)
# A benchmark that compares with a package of an extra says so where the package is missing.
COMPARED = {"views.py": ("torch_audiomentations", "torch-audiomentations is not installed")}


def numbers(output: str) -> list[float]:
    """Return the numbers of a printed table, all cells but the first of each row, units left out.

    `nan` and `inf` count as numbers.
    """
    rows = [line.strip("│").split("│") for line in output.splitlines() if line.startswith("│")]
    cells = [cell.strip() for row in rows for cell in row[1:]]
    found = [
        re.fullmatch(r"([+-]?(?:[\d,]*\.?\d+|nan|inf))( ?(x|%|s|ms|MB)( \w+)?)?", c) for c in cells
    ]
    return [float(match[1].replace(",", "")) for match in found if match]


def test_the_numbers_of_a_table_are_found() -> None:
    table = "┃ a ┃ 1 ┃\n│ first 7 │ 1,234.5 │ 0.87 x │ 1-2 │ nan x │ word │\n2 x"
    assert numbers(table)[:2] == [1234.5, 0.87]
    assert [isfinite(number) for number in numbers(table)] == [True, True, False]


@pytest.mark.slow
@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.name)
def test_a_benchmark_prints_a_table_of_finite_numbers(file: Path, tmp_path: Path) -> None:
    assert "[--small]" in file.read_text(), "the docstring of a benchmark names its option --small"
    cache = {"MUSICSSL_CACHE": str(tmp_path / "cache")}
    done = preloaded.run(str(file), "--small", cwd=tmp_path, extra_env=cache, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    found = numbers(done.stdout)
    assert found, done.stdout
    assert all(isfinite(number) for number in found), done.stdout
    package, sentence = COMPARED.get(file.name, ("torch", ""))
    assert importlib.util.find_spec(package) or sentence in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("broken", ["", "first.py", "first.py second.py"])
def test_make_bench_runs_all_benchmarks_and_names_those_that_failed(
    broken: str, tmp_path: Path
) -> None:
    for folder in ("benchmarks", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("first.py", "second.py", "third.py"):
        status = 3 if name in broken.split() else 0
        (tmp_path / "benchmarks" / name).write_text(
            f"if __name__ == '__main__':\n    print('ran {name}')\n    raise SystemExit({status})\n"
        )
    python = tmp_path / ".venv" / "bin" / "python"  # answers that musicssl is installed
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -I ] && echo works && exit\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt", ".venv/.ready"):  # .ready is the newest
        (tmp_path / name).touch()
    done = subprocess.run(
        ["make", "bench"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    for name in ("first.py", "second.py", "third.py"):
        assert f"ran {name}" in done.stdout
    assert (done.returncode == 0) == (not broken)
    named = [Path(word).name for word in done.stderr.split() if word.startswith("benchmarks/")]
    assert named == broken.split()
