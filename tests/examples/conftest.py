"""The metrics of an example are known while it is tested, and to no other test.

Methods from outside add metrics to `METRICS` when they are imported, and several examples use one
name. In a training there is one method; here all are imported by one process.
"""

import importlib

import pytest

from musicssl.evaluation.metrics import METRICS
from tests.support.commands import ROOT

KNOWN = dict(METRICS)
OF_EXAMPLES = {}
for file in sorted((ROOT / "examples").glob("*/method.py")):
    name = file.parent.name
    importlib.import_module(f"examples.{name}.method")
    OF_EXAMPLES[name] = {key: METRICS.pop(key) for key in list(METRICS) if key not in KNOWN}
assert METRICS == KNOWN  # an example replaces none of ours


@pytest.fixture(autouse=True)
def metrics_of_the_example(request, monkeypatch):
    """Let the example that a module tests have its metrics."""
    example = request.module.__name__.rpartition(".test_")[2]
    for key, info in OF_EXAMPLES.get(example, {}).items():
        monkeypatch.setitem(METRICS, key, info)
