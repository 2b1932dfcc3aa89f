"""What a command imports before its first batch. Oracle: the modules of a fresh interpreter."""

import gc
import os
import subprocess
import sys
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from musicssl.cli import conf
from musicssl.cli.imports import quick_imports
from musicssl.cli.train import main
from tests.support.commands import ROOT, SEARCH_PATH

LATER = {  # needed after training, or by other commands and corpora
    *("scipy", "sklearn", "pandas", "pyarrow", "wandb", "torchvision", "optuna", "jinja2", "onnx"),
    *("musicssl.runs.results", "musicssl.runs.baselines", "musicssl.figures.layout"),
}


def python(code: str, folder: Path) -> str:
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


@pytest.mark.slow
def test_a_run_imports_before_its_first_batch_what_it_needs_alone(tmp_path):
    code = f"""
import os, sys
from musicssl.cli.train import main
from musicssl.cli import conf
from musicssl.cli.imports import quick_imports
with quick_imports():
    from musicssl.methods.base.method import Method

def first_batch(*args):
    print("found:", *sorted({LATER!r} & set(sys.modules)), flush=True)
    os._exit(0)

Method.on_train_batch_start = first_batch
overrides = [{SEARCH_PATH!r}, "dataset=tiny", "trainer=cpu", "runs={tmp_path}"]
sys.argv = ["train.py", *overrides]
main()
"""
    assert python(code, tmp_path).splitlines()[-1] == "found:"


@pytest.mark.slow
def test_torchmetrics_is_whole_for_those_who_ask_for_more_of_it(tmp_path):
    code = """
import sys
from musicssl.cli import conf
from musicssl.cli.imports import quick_imports
with quick_imports():
    import pytorch_lightning
    import torchmetrics
assert "torchmetrics.functional" not in sys.modules
assert torchmetrics.Metric is pytorch_lightning.core.module.Metric
from torchmetrics import AUROC, functional
import torchmetrics.image
assert isinstance(AUROC(task="binary"), torchmetrics.Metric)
assert set(torchmetrics.__all__) <= set(vars(torchmetrics))
assert torchmetrics.MeanMetric is torchmetrics.aggregation.MeanMetric
print(torchmetrics.functional is functional, torchmetrics.__version__)
"""
    assert python(code, tmp_path) == f"True {version('torchmetrics')}\n"


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_off_within_and_as_it_was_after(enabled):
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        frozen = gc.get_freeze_count()
        with quick_imports():
            assert not gc.isenabled()
        assert gc.isenabled() == enabled
        assert gc.get_freeze_count() == frozen  # nothing was imported, so nothing has to stay
    finally:
        (gc.enable if was else gc.disable)()


@pytest.mark.parametrize(
    ("typed", "wanted"), [((), 3), (("pooling=max",), 4), (("data.p_s=0.5", "pooling=max"), 4)]
)
def test_settings_are_composed_no_more_often_than_needed(typed, wanted, monkeypatch, tmp_path):
    """By Hydra twice, and once for each set of choices that the folder is named by."""
    calls = []
    compose = ConfigLoaderImpl.load_configuration

    def counted(self, *args, **kwargs):
        calls.append(args)
        return compose(self, *args, **kwargs)

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counted)
    monkeypatch.setattr("musicssl.cli.training.train_and_test", stop)
    monkeypatch.setattr(conf, "_composed", lru_cache(conf._composed.__wrapped__))  # remembers none
    monkeypatch.setattr(sys, "argv", ["train.py", *typed, f"runs={tmp_path}"])
    with pytest.raises(SystemExit):
        main()
    assert len(calls) == wanted
