"""Runs that are trained side by side learn what each of them learns by itself."""

from functools import partial

import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.fc import FullyConnected
from musicssl.encoders.fc_t import FullyConnectedPerInstance
from musicssl.encoders.gru import GRUEncoder
from musicssl.methods.att import AttentionMIL
from musicssl.methods.mean_teacher import MeanTeacher
from musicssl.methods.supervised import Supervised
from musicssl.networks.pooling import MaxPooling, MeanPooling
from musicssl.networks.teacher import Teacher
from musicssl.runs.checkpoint_writing import DescribeCheckpoint
from musicssl.runs.history import History, read_history
from musicssl.runs.patience import Patience
from musicssl.runs.resume import BestCheckpoint, ResumeCheckpoint
from musicssl.runs.stacked.fit import Stack
from musicssl.schedules import cosine, sigmoid_rampup
from musicssl.seeding import StepSeed
from tests.support.quick import slow_after
from tests.support.tiny import Tiny
from tests.support.training import UNCHANGED, quiet_trainer, semi_supervised_parts, supervised_parts

EPOCHS = 3


def att(**changes):
    return AttentionMIL(**supervised_parts(**changes))


def with_teacher(method, **changes):
    ramp = partial(sigmoid_rampup, epochs=2.0)
    return method(**semi_supervised_parts(views=UNCHANGED, ramp=ramp, **changes))


METHODS = {
    "att": att,
    "fc": partial(att, encoder=partial(FullyConnected, hidden=(16, 8)), pooling=MeanPooling),
    "fc_t": partial(att, encoder=FullyConnectedPerInstance, pooling=MaxPooling),
    "gru": partial(att, encoder=partial(GRUEncoder, hidden=4), pooling=MeanPooling),
    "supervised": partial(with_teacher, Supervised),
    "mean_teacher": partial(with_teacher, MeanTeacher, teacher=partial(Teacher, batch_norm="own")),
}


CASES = [
    ("mean_teacher", True),
    ("att", False),
    *(("att", True), ("supervised", True), ("fc", True), ("fc_t", True), ("gru", False)),
    *(("supervised", False), ("mean_teacher", False)),
]


class Training:
    """A run with all that decides its result, in a folder of its own."""

    def __init__(self, folder, name, seed, epochs=EPOCHS, **changes):
        torch.manual_seed(seed)
        optimizer = partial(torch.optim.AdamW, lr=(seed + 1) * 1e-2, weight_decay=0.1 * seed)
        self.method = METHODS[name](optimizer=optimizer, schedule=cosine, **changes)
        self.data = SemiSupervisedDataModule(
            Tiny(), p_s=0.3 + 0.1 * seed, b_s=0.5, batch_size=16, seed=seed
        )
        self.folder = folder / str(seed)
        self.folder.mkdir(parents=True)
        self.trainer = quiet_trainer(
            self.folder,
            max_epochs=epochs,
            num_sanity_val_steps=0,
            enable_checkpointing=True,
            gradient_clip_val=1.0,
            precision="64-true",  # else Adam makes much of differences in rounding
            callbacks=[
                StepSeed(seed),
                History(self.folder / "history.csv"),
                DescribeCheckpoint({}, ["a", "b", "c"], {}),
                Patience("val/loss", 2),
                BestCheckpoint(self.folder / "best.ckpt", "val/loss"),
                ResumeCheckpoint(self.folder / "last.ckpt"),
            ],
        )

    def fit(self, resume=None):
        self.trainer.fit(self.method, self.data, ckpt_path=resume, weights_only=True)

    @property
    def history(self):
        return read_history(self.folder / "history.csv")

    def checkpoint(self, name):
        return torch.load(self.folder / name, weights_only=True)


def train_stacked(runs, batched, resume=None):
    waiting = list(runs)

    def begin_others():
        while waiting:
            run = waiting.pop(0)
            stack.join(run.trainer)
            run.fit(resume=None if resume is None else run.folder / resume)

    stack = Stack(begin_others, batched)
    begin_others()


def check_same(stacked, alone, tolerance):
    assert len(stacked.history) == len(alone.history)
    for ours, theirs in zip(stacked.history, alone.history, strict=True):
        assert ours == pytest.approx(theirs, rel=tolerance, abs=tolerance, nan_ok=True)
    for name in ("best.ckpt", "last.ckpt"):
        ours, theirs = stacked.checkpoint(name), alone.checkpoint(name)
        for key in ("epoch", "global_step", "loops"):
            assert ours[key] == theirs[key]
        torch.testing.assert_close(
            ours["state_dict"], theirs["state_dict"], rtol=tolerance, atol=tolerance
        )
        assert ours["lr_schedulers"] == theirs["lr_schedulers"]


@pytest.mark.parametrize(("name", "batched"), slow_after(2, CASES))
def test_stacked_runs_are_those_of_single_runs(tmp_path, name, batched):
    stacked = [Training(tmp_path / "stacked", name, seed) for seed in range(3)]
    train_stacked(stacked, batched)
    for seed, run in enumerate(stacked):
        alone = Training(tmp_path / "alone", name, seed)
        alone.fit()
        check_same(run, alone, tolerance=1e-6 if batched else 0)
