"""Oracles: weights before and after a phase, and a run of the second phase alone."""

from functools import partial
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.methods.base.method import Method
from musicssl.methods.base.phases import Phases
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer, supervised_parts


class TwoWeights(Method):
    """Train one weight, then the other; the rest of the network never learns."""

    def __init__(self, *, pretrain_epochs, **parts):
        super().__init__(**parts)
        self.phases = Phases(self, pretrain_epochs, self._frozen_parameters, "first_epochs")
        self.classifier.requires_grad_(False)
        self.first, self.second = (nn.Parameter(torch.ones(2)) for _ in range(2))

    @property
    def pretraining(self):
        return self.phases.pretraining

    def _frozen_parameters(self, pretraining):
        return [self.second if pretraining else self.first]

    def setup(self, stage):
        super().setup(stage)
        self.phases.check_epochs()

    def on_before_optimizer_step(self, optimizer):
        self.phases.drop_frozen_gradients()

    def training_step(self, batch, batch_idx):
        trained = self.first if self.pretraining else self.second
        return self.phases.touch_all_parameters((trained * batch.x.mean()).sum())


class Weights(pl.Callback):
    def __init__(self):
        self.kept = []

    def on_train_epoch_end(self, trainer, subject):
        self.kept.append([w.detach().clone() for w in (subject.first, subject.second)])


def method(pretrain_epochs):
    torch.manual_seed(0)
    decaying = partial(torch.optim.Adam, lr=1e-2, weight_decay=0.1)
    return TwoWeights(**supervised_parts(optimizer=decaying, pretrain_epochs=pretrain_epochs))


def trained(folder, subject, max_epochs, several_devices=False):
    """Return both weights as each epoch leaves them."""
    weights = Weights()
    trainer = quiet_trainer(
        folder, max_epochs=max_epochs, num_sanity_val_steps=0, callbacks=[weights]
    )
    if several_devices:
        subject.phases.touch_all_parameters = lambda loss: (
            loss + 0 * sum(w.sum() for w in subject.phases.frozen_parameters())
        )
    trainer.fit(subject, SemiSupervisedDataModule(Tiny(), batch_size=28))
    return weights.kept


@pytest.mark.parametrize("several_devices", [False, True])
def test_frozen_parameters_do_not_change_although_weights_decay(tmp_path, several_devices):
    epochs = trained(tmp_path, method(2), 4, several_devices)
    before = [torch.ones(2), torch.ones(2)]
    for epoch, weights in enumerate(epochs):
        changed = [not torch.equal(one, other) for one, other in zip(before, weights, strict=True)]
        assert changed == [epoch < 2, epoch >= 2], epoch
        before = weights


def test_the_second_phase_learns_as_if_there_had_been_no_first(tmp_path):
    """The clips of its epoch are others, but all have the same mean."""
    clips = SemiSupervisedDataModule(Tiny(), batch_size=28)
    mean = next(iter(clips.batches("train"))).x.mean()
    runs = []
    for pretrain_epochs, max_epochs in [(0, 1), (2, 3)]:
        subject = method(pretrain_epochs)
        subject.training_step = lambda batch, _, m=subject: m.phases.touch_all_parameters(
            ((m.first if m.pretraining else m.second) * mean).sum()
        )
        runs.append(trained(tmp_path, subject, max_epochs)[-1][1])
    torch.testing.assert_close(*runs, rtol=0, atol=0)
    assert not torch.equal(runs[0], torch.ones(2))


def test_on_several_devices_frozen_parameters_have_a_gradient_of_zero_until_the_step():
    subject, loss = method(1), torch.tensor(3.0)
    for world_size in (1, 2):
        subject.trainer = SimpleNamespace(world_size=world_size, current_epoch=0)
        subject.zero_grad()
        reaching = subject.phases.touch_all_parameters(loss + subject.first.sum())
        assert reaching == 5
        reaching.backward()
        assert (subject.second.grad is None) == (world_size == 1)
    assert not subject.second.grad.any()
    subject.on_before_optimizer_step(None)
    assert subject.second.grad is None
    assert subject.first.grad.tolist() == [1, 1]


def test_the_first_phase_has_as_many_epochs_as_said():
    subject, phases = method(2), []
    for epoch in range(4):
        subject.trainer = SimpleNamespace(current_epoch=epoch)
        phases.append(subject.pretraining)
    assert phases == [True, True, False, False]


def test_a_second_phase_without_epochs_is_refused(tmp_path):
    message = r"method.first_epochs=2 leaves none of the trainer.max_epochs=2 .* raise trainer.max_"
    with pytest.raises(InputError, match=message):
        trained(tmp_path, method(2), 2)
    assert len(trained(tmp_path, method(2), 3)) == 3


def test_fewer_than_no_epochs_are_refused():
    with pytest.raises(InputError, match=r"method.first_epochs must be 0 or more, got -1"):
        method(-1)
