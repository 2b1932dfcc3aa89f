import pytest
import torch

from musicssl.errors import InputError
from musicssl.methods.temporal_ensembling import TemporalEnsembling
from tests.support.semi_supervised import Seeds, data, mixed_batch
from tests.support.training import quiet_trainer, semi_supervised_parts


def method(**changes):
    torch.manual_seed(0)
    return TemporalEnsembling(**semi_supervised_parts(**changes))


def begun(folder, **changes):
    """Return a method with an empty ensemble, as at the start of a run."""
    subject = method(**changes)
    quiet_trainer(folder, max_steps=1, limit_train_batches=1).fit(subject, data())
    subject.ensemble.sums.zero_()
    subject.ensemble.counts.zero_()
    return subject.train()


def test_the_first_answer_is_the_target_of_the_second(tmp_path):
    subject, batch = begun(tmp_path), mixed_batch()
    first = subject.step(batch)
    assert first.consistency.item() == 0  # no clip has a target yet
    second = subject.step(batch)
    expected = (second.logits.sigmoid() - first.logits.sigmoid().detach()).square().mean()
    torch.testing.assert_close(second.consistency, expected)


def test_clips_without_an_answer_so_far_add_nothing(tmp_path):
    subject, batch = begun(tmp_path), mixed_batch()
    some = torch.arange(16) % 4 == 0
    first = subject.step(batch.select(some)).logits.sigmoid().detach()
    logits, consistency, _ = subject.step(batch)
    expected = (logits.sigmoid()[some] - first).square().sum() / logits.numel()
    torch.testing.assert_close(consistency, expected)


def test_the_target_carries_no_gradient_and_the_answer_does(tmp_path):
    subject, batch = begun(tmp_path), mixed_batch()
    subject.step(batch)
    subject.step(batch).consistency.backward()
    assert not subject.ensemble.sums.requires_grad
    assert all(p.grad.abs().max() > 0 for p in subject.classifier.pooling.parameters())


def test_every_clip_that_was_drawn_is_remembered(tmp_path):
    subject, clips = method(), data()
    trainer = quiet_trainer(tmp_path, max_epochs=2, callbacks=[Seeds()])
    trainer.fit(subject, clips)
    plan = clips.batch_plan()
    expected = torch.zeros(120, dtype=torch.int64)
    for epoch in range(2):
        for step in range(6):
            expected[torch.from_numpy(plan.clips(epoch, step)).unique()] += 1
    assert torch.equal(subject.ensemble.counts, expected)


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_a_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(InputError, match=r"momentum must be in \[0, 1\)"):
        method(momentum=momentum)
