"""Training in bf16-mixed: every method takes steps whose losses are those of 32 bits, nearly."""

import math

import pytest
import torch

from musicssl.cli.checks import check_values
from musicssl.errors import InputError
from musicssl.runs.precision import chosen_precision
from musicssl.runs.settings import differences
from tests.support.quick import slow_after
from tests.support.steps import METHODS, method_and_data, steps_before
from tests.support.training import quiet_trainer

# Shares that the losses may differ by: of pseudo-labels, which rounding selects or not in so small
# a batch, and of a likelihood with a deviation of 0.1 after an epoch at a high rate.
WIDER = {("fixmatch",): 0.5, ("m1_m2",): 0.2}


def losses(folder, words, precision):
    method, data = method_and_data(folder, words)
    steps = steps_before(data, words) + 1
    trainer = quiet_trainer(folder, precision=precision, max_steps=steps, max_epochs=-1)
    trainer.fit(method, data)
    assert all(tensor.dtype != torch.bfloat16 for tensor in method.state_dict().values())
    return {name: value.item() for name, value in trainer.callback_metrics.items()}


@pytest.mark.parametrize("words", slow_after(1, [(words,) for words in METHODS]), ids=" ".join)
def test_losses_are_finite_and_near_those_of_32_bits(tmp_path, words):
    mixed = losses(tmp_path, words, "bf16-mixed")
    exact = losses(tmp_path, words, "32-true")
    assert mixed.keys() == exact.keys()
    share = next((share for name, share in WIDER.items() if words[: len(name)] == name), 0.05)
    for name, value in exact.items():
        if name.startswith("train/") and "loss" in name and not math.isnan(value):
            assert mixed[name] == pytest.approx(value, rel=share, abs=0.02), name


@pytest.mark.parametrize(
    ("setting", "accelerator", "there", "has_bf16", "expected"),
    [
        ("auto", "auto", True, True, "bf16-mixed"),
        ("auto", "gpu", True, True, "bf16-mixed"),
        ("auto", "auto", True, False, "32-true"),
        ("auto", "auto", False, False, "32-true"),
        ("auto", "cpu", True, True, "32-true"),
        ("32-true", "gpu", True, True, "32-true"),
        ("16-mixed", "gpu", True, True, "16-mixed"),
    ],
)
def test_auto_is_bf16_on_a_gpu_that_has_it(
    monkeypatch, setting, accelerator, there, has_bf16, expected
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)
    assert chosen_precision(setting, accelerator) == expected


@pytest.mark.parametrize("precision", ["bf16-true", "64-true", "16-true", "half"])
def test_other_precisions_are_refused_in_a_sentence(precision):
    settings = {"trainer": {"precision": precision, "max_steps": 1}, "seed": 0}
    with pytest.raises(InputError, match=f"trainer.precision={precision} cannot be used, for"):
        check_values(settings)


def test_runs_before_there_was_auto_go_on():
    def of(precision):
        return {"trainer": {"precision": precision}}

    assert not differences(of("32-true"), of("auto"))
    assert differences(of("bf16-mixed"), of("auto"))
