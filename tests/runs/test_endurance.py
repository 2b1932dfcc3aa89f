"""Sixty kills at random moments; `make endurance` makes a hundred, or as many as one likes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_killed_runs_end_with_the_bits_of_undisturbed_ones():
    call = [sys.executable, "-m", "tests.support.endurance", "--kills", "60", "--seed", "1"]
    call += ["--blank-pictures", "--methods", "att", "mean_teacher", "semisupcon", "dgm"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.stdout.splitlines()[-1] == "60 kills, 60 survived", done.stdout + done.stderr
    assert done.returncode == 0
