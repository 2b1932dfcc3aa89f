"""Compiled networks: without a graph break, with the same numbers, and gone after training."""

import os

import pytest
import torch

from musicssl.errors import InputError
from musicssl.runs.compilation import (
    BREAK_EVEN,
    CompiledNetworks,
    check_compile,
    chosen_mode,
    keep_compiled,
)
from tests.support.quick import slow_after
from tests.support.steps import METHODS, method_and_data, steps_before
from tests.support.training import quiet_trainer

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
GPU, CPU = torch.device("cuda"), torch.device("cpu")
UNPADDED = [words for words in METHODS if "dataset.variable_lengths=true" not in words]


class Counted(CompiledNetworks):
    """Count the graphs that are made, and note which part runs compiled."""

    def on_train_batch_end(self, trainer, method, outputs, batch, batch_idx):
        self.used = [(type(owner).__name__, name) for owner, name, _ in self._parts]


def trained(folder, words, *callbacks):
    torch._dynamo.reset()
    method, data = method_and_data(folder, words)
    steps = steps_before(data, words) + 1
    trainer = quiet_trainer(folder, max_steps=steps, max_epochs=-1, callbacks=[*callbacks])
    trainer.fit(method, data)
    return method, trainer


@pytest.mark.parametrize("words", slow_after(1, [(words,) for words in UNPADDED]), ids=" ".join)
def test_networks_compile_without_a_graph_break(tmp_path, words):
    torch._dynamo.utils.counters.clear()
    compiling = Counted("default", backend="eager", fullgraph=True)
    method, _ = trained(tmp_path, words, compiling)
    assert compiling.used
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert not torch._dynamo.utils.counters["graph_break"]
    assert not any("_orig_mod" in name for name in method.state_dict())
    assert all(part._compiled_call_impl is None for part in method.modules())


@pytest.mark.parametrize("words", slow_after(0, [(words,) for words in METHODS[:5]]), ids=" ".join)
def test_compiled_training_is_eager_training(tmp_path, words):
    """Without dropout, which draws other numbers when it is compiled."""
    words = (*words, "method.dropout=0" if words[0] == "dgm" else "encoder.dropout=0")
    compiled, _ = trained(tmp_path, words, CompiledNetworks("default", backend="aot_eager"))
    eager, _ = trained(tmp_path, words, CompiledNetworks("off"))
    for name, tensor in eager.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], tensor, msg=name)


@pytest.mark.parametrize(
    ("mode", "device", "of_sound", "steps", "expected"),
    [
        ("auto", CPU, True, 1e9, "off"),
        ("auto", GPU, True, BREAK_EVEN["sound"], "default"),
        ("auto", GPU, True, BREAK_EVEN["sound"] - 1, "off"),
        ("auto", GPU, False, BREAK_EVEN["instances"], "default"),
        ("auto", GPU, False, BREAK_EVEN["instances"] - 1, "off"),
        ("off", GPU, True, 1e9, "off"),
        ("reduce-overhead", CPU, True, 1, "reduce-overhead"),
    ],
)
def test_auto_compiles_long_runs_on_a_gpu(monkeypatch, mode, device, of_sound, steps, expected):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert chosen_mode(mode, device, of_sound, steps) == expected


def test_auto_needs_a_compiler(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert chosen_mode("auto", GPU, True, 1e9) == "off"


@pytest.mark.parametrize("named", [None, "/tmp/torchinductor_me", "/home/me/compiled"])
def test_what_was_compiled_is_kept_unless_another_folder_is_named(monkeypatch, tmp_path, named):
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", named or "")
    keep_compiled(tmp_path / "compiled")
    chosen = named if named == "/home/me/compiled" else str(tmp_path / "compiled")
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == chosen


@pytest.mark.parametrize("mode", ["max", None, True])
def test_other_modes_are_refused(mode):
    with pytest.raises(InputError, match="compile must be one of auto, off, default"):
        check_compile(mode)
