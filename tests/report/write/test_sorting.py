"""The script that sorts tables, in node where it is installed. Oracle: Python's sort."""

import json
import shutil
import subprocess

import pytest

from tests.support.report_page import SORTING

NODE = shutil.which("node")
CELLS = {  # what a cell says, and its number
    "0.912 ± 0.003": 0.912,
    "0.87": 0.87,
    "": None,
    "1,204": 1204,
    "12 %": 12,
    "≤0.01": 0.01,
    "-0.5": -0.5,
    "+0.25": 0.25,
    "3e-05": 3e-5,
    "fc": None,
    "att": None,
}


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_are_sorted_by_value_and_texts_follow(sign):
    script = f"""
    globalThis.document = {{ querySelectorAll: () => [] }};
    {SORTING}
    const cells = {json.dumps(list(CELLS))};
    console.log(JSON.stringify(cells.sort((a, b) => compare(a, b, {sign}))));
    """
    found = json.loads(subprocess.run([NODE, "-e", script], capture_output=True, check=True).stdout)
    numbers = [cell for cell, number in CELLS.items() if number is not None]
    texts = [cell for cell, number in CELLS.items() if number is None]
    expected = sorted(numbers, key=CELLS.__getitem__, reverse=sign < 0)
    assert found == expected + sorted(texts, reverse=sign < 0)
