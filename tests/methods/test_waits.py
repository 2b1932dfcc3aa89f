"""No training step of any method lets the host wait for the GPU."""

from contextlib import contextmanager
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
)

from tests.support.fake_gpu import GPU, WaitError, fake_gpu, step_on_fake_gpu
from tests.support.quick import slow_after
from tests.support.steps import METHODS, SOUND, method_and_data, steps_before
from tests.support.training import quiet_trainer

WAITS = (WaitError, DataDependentOutputException, DynamicOutputShapeException)

# cuDNN wants to see a device.
ON_A_GPU = [("att", "encoder=gru", "pooling=mean")]

# What waits, and why nothing is gained by another way.
WAITING = {
    ("att", "dataset.variable_lengths=true"): (
        "Batch norm must not see padding, so the encoder removes it: as many rows are left as the "
        "lengths say, which lie on the device. Bags of one length have no padding."
    ),
    ("att", "encoder=gru", "pooling=mean", "dataset.variable_lengths=true"): (
        "cuDNN reads the lengths of packed sequences from the memory of the computer."
    ),
    ("mean_teacher", "method.joint_batch_norm=false"): (
        "Labelled and unlabelled clips become two batches, whose sizes the labels decide."
    ),
    ("simmatch",): (
        "Only unlabelled clips have a strong view, and the labels decide how many there are; "
        "strong views of all clips would take longer."
    ),
    ("semisupcon", "views=semisupcon", *SOUND): (
        "A transformation is computed of the clips alone that it was drawn for, which saves more "
        "than the wait costs."
    ),
}


@pytest.fixture(autouse=True)
def of_any_device(monkeypatch):
    """There is no Dirichlet distribution on the fake device; on a GPU it does not wait."""
    monkeypatch.setattr(torch, "_sample_dirichlet", lambda x, *_: torch.rand_like(x))


NOT_WAITING = [(words,) for words in METHODS if words not in WAITING]


@pytest.mark.parametrize("words", slow_after(2, NOT_WAITING), ids=" ".join)
def test_a_step_waits_for_nothing(tmp_path, words):
    method, data = method_and_data(tmp_path, words)
    loss = step_on_fake_gpu(tmp_path, method, data, steps_before(data, words))
    assert (loss.device.type, loss.shape) == ("cuda", ())


@pytest.mark.slow
@pytest.mark.parametrize("words", WAITING, ids=" ".join)
def test_what_is_said_to_wait_does(tmp_path, words):
    method, data = method_and_data(tmp_path, words)
    with pytest.raises(WAITS):
        step_on_fake_gpu(tmp_path, method, data)


def test_all_methods_are_tested():
    conf = Path(__file__).parents[2] / "conf" / "method"
    without_network = {"baseline", "random_forest", "self_training"}
    assert {words[0] for words in METHODS} == {
        p.stem for p in conf.glob("*.yaml")
    } - without_network


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: float(x[0]),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: x.to("cpu", non_blocking=True),
        lambda x: x[x > 0],
        lambda x: x.masked_select(x > 0),
        lambda x: x.nonzero(),
        lambda x: x.unique(),
        lambda x: x.masked_scatter_(x > 0, x[x > 1]),
        lambda x: x.new_tensor([1.0, 2.0]),
        lambda x: torch.tensor([1.0, 2.0], device=x.device),
        lambda x: torch.arange(4.0).to(x.device),
        lambda x: x.long().repeat_interleave(x.long()),
        lambda x: torch.equal(x, x),
    ],
)
def test_a_wait_is_found(wait):
    with fake_gpu():
        x = torch.rand(4, device=GPU)
        with pytest.raises((*WAITS, RuntimeError)):
            wait(x)


def test_what_does_not_wait_is_let_through():
    with fake_gpu():
        x = torch.rand(4, device=GPU)
        assert (x * torch.tensor(2.0)).device.type == "cuda"
        assert x.where(x > 0, 0)[torch.zeros(2, dtype=torch.int64, device=GPU)].shape == (2,)
        assert torch.arange(4.0).to(GPU, non_blocking=True).device.type == "cuda"


class RefuseWaits(pl.Callback):
    """Let CUDA refuse every wait of a step, after the first two."""

    def on_train_batch_start(self, trainer, method, batch, batch_idx):
        if trainer.global_step >= 2:
            torch.cuda.set_sync_debug_mode("error")

    def on_before_zero_grad(self, trainer, method, optimizer):
        torch.cuda.set_sync_debug_mode("default")


@contextmanager
def default_mode_after():
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("words", [*(w for (w,) in NOT_WAITING), *ON_A_GPU], ids=" ".join)
def test_cuda_sees_no_wait_in_a_step(tmp_path, words):
    method, data = method_and_data(tmp_path, (*words, "trainer.accelerator=gpu"))
    steps = steps_before(data, words) + 3
    trainer = quiet_trainer(
        tmp_path,
        accelerator="gpu",
        devices=1,
        max_steps=steps,
        max_epochs=-1,
        limit_val_batches=0,
        callbacks=[RefuseWaits()],
    )
    with default_mode_after():
        trainer.fit(method, data)
    assert trainer.global_step == steps
