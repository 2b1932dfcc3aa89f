"""A few kills at random moments; `make endurance` makes a hundred."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_killed_runs_end_with_the_bits_of_undisturbed_ones():
    call = [sys.executable, "-m", "tests.support.endurance", "--kills", "3", "--seed", "1"]
    call += ["--methods", "att", "semisupcon", "--blank-pictures"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout.splitlines()[-1] == "3 kills, 3 survived", done.stdout + done.stderr
    assert done.returncode == 0
