"""What the semi-supervised methods share, in runs of a real trainer."""

import copy
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.evaluation.metrics import macro, per_class_metrics
from musicssl.methods.att import AttentionMIL
from musicssl.methods.fixmatch import FixMatch
from musicssl.methods.mean_teacher import MeanTeacher
from musicssl.methods.pi_model import PiModel
from musicssl.methods.supervised import Supervised
from musicssl.methods.temporal_ensembling import TemporalEnsembling
from musicssl.networks.distributed import SyncBatchNorms
from musicssl.networks.teacher import Teacher
from musicssl.networks.thresholds.prior import PriorMatchedThresholds
from musicssl.schedules import sigmoid_rampup
from tests.support.semi_supervised import Seeds, data, mixed_batch
from tests.support.training import UNCHANGED, quiet_trainer, semi_supervised_parts, supervised_parts

CONSISTENT = [MeanTeacher, PiModel, TemporalEnsembling]


def method(kind, **changes):
    torch.manual_seed(0)
    if kind is FixMatch:
        changes = {"thresholds": PriorMatchedThresholds} | changes
    return kind(**semi_supervised_parts(**changes))


def trained(method, folder, datamodule=None, **settings):
    trainer = quiet_trainer(folder, callbacks=[Seeds()], **({"max_epochs": 2} | settings))
    trainer.fit(method, datamodule or data())
    return trainer


@pytest.mark.parametrize("kind", CONSISTENT)
def test_with_weight_0_training_is_supervised_training(tmp_path, kind):
    """To the last bit, student and teacher, although views and teacher are drawn from."""
    supervised, other = method(Supervised), method(kind, consistency_weight=0.0)
    trained(supervised, tmp_path)
    trained(other, tmp_path)
    found, expected = other.state_dict(), supervised.state_dict()
    if kind is PiModel:  # its second view passes through the batch norms of the first
        found, expected = dict(other.named_parameters()), dict(supervised.named_parameters())
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_without_views_the_supervised_student_is_att(tmp_path):
    torch.manual_seed(0)
    att = AttentionMIL(**supervised_parts())
    supervised = method(Supervised, views=UNCHANGED)
    trained(att, tmp_path)
    trained(supervised, tmp_path)
    for name, expected in att.classifier.state_dict().items():
        assert torch.equal(supervised.classifier.state_dict()[name], expected), name


@pytest.mark.parametrize("kind", CONSISTENT)
def test_the_loss_is_supervised_plus_ramped_weight_times_consistency(tmp_path, kind):
    ramp = partial(sigmoid_rampup, epochs=3)
    trainer = trained(method(kind, ramp=ramp), tmp_path, max_epochs=1, limit_train_batches=1)
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    assert logged["train/consistency_weight"] == pytest.approx(5 * sigmoid_rampup(0, 3))
    expected = logged["train/supervised_loss"]
    expected += logged["train/consistency_weight"] * logged["train/consistency_loss"]
    assert logged["train/loss"] == pytest.approx(expected)


def test_the_weight_rises_with_every_step(tmp_path):
    ramp = partial(sigmoid_rampup, epochs=4)
    trainer = trained(method(MeanTeacher, ramp=ramp), tmp_path, max_epochs=3)
    steps = trainer.num_training_batches
    assert steps == 6
    expected = sum(5 * sigmoid_rampup(2 + step / steps, 4) for step in range(steps)) / steps
    assert trainer.callback_metrics["train/consistency_weight"].item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", [Supervised, PiModel, TemporalEnsembling, FixMatch])
def test_a_teacher_that_sees_no_clips_has_no_statistics_of_its_own(kind):
    with pytest.raises(InputError, match=r"teacher\.batch_norm=own needs a method that runs"):
        method(kind, teacher=partial(Teacher, batch_norm="own"))


def test_a_negative_weight_is_refused():
    with pytest.raises(InputError, match=r"consistency_weight must be 0 or more, got -1"):
        method(MeanTeacher, consistency_weight=-1.0)


@pytest.mark.parametrize("accumulate", [1, 2, 3, 4])
def test_the_teacher_follows_once_a_step_however_many_batches_make_one(tmp_path, accumulate):
    """While it warms up it is the mean of all students, the first one included."""
    students = []

    class Keep(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, *_):
            if trainer.global_step == len(students):
                students.append([p.detach().clone() for p in pl_module.classifier.parameters()])

    subject = method(MeanTeacher, teacher=partial(Teacher, decay=0.999))
    students.append([p.detach().clone() for p in subject.classifier.parameters()])
    trainer = quiet_trainer(
        tmp_path, max_epochs=2, callbacks=[Keep()], accumulate_grad_batches=accumulate
    )
    trainer.fit(subject, data())
    steps = 2 * -(-6 // accumulate)  # an epoch's last step may have fewer batches
    assert len(students) - 1 == trainer.global_step == steps
    for mine, *theirs in zip(subject.teacher.parameters(), *students, strict=True):
        torch.testing.assert_close(mine, torch.stack(theirs).mean(dim=0))


def test_without_decay_the_teacher_is_the_student_after_training(tmp_path):
    subject = method(MeanTeacher, teacher=partial(Teacher, decay=0.0))
    trained(subject, tmp_path)
    for mine, theirs in zip(
        subject.teacher.parameters(), subject.classifier.parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_the_optimizer_knows_the_student_alone(tmp_path):
    subject = method(MeanTeacher)
    trainer = trained(subject, tmp_path, max_epochs=1)
    known = {id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]}
    assert known == {id(p) for p in subject.classifier.parameters()}
    assert all(p.grad is None for p in subject.teacher.parameters())


def test_teacher_and_student_are_both_validated_and_the_teacher_predicts(tmp_path):
    subject, clips = method(MeanTeacher), data()
    trainer = trained(subject, tmp_path, clips)
    val = clips.clips("val")
    subject.eval()
    scores = {"val/": subject.scores(val), "val/student_": subject.classifier(val).sigmoid()}
    assert not torch.allclose(*scores.values())
    for prefix, expected in scores.items():
        for name, value in macro(per_class_metrics(expected, val.y, val.mask)).items():
            assert trainer.callback_metrics[f"{prefix}{name}"].item() == pytest.approx(
                value, rel=1e-5
            )
    torch.testing.assert_close(subject.scores(val), subject.teacher(val).sigmoid())
    pooling = subject.teacher.average.pooling
    torch.testing.assert_close(pooling.combine(subject.instances(val)), subject.teacher(val))


def test_streams_can_pass_the_batch_norms_apart():
    """Each stream alone through a copy, one after the other, is what the option does."""
    still = partial(AttEmbedding, dropout=0.0)
    subject = method(MeanTeacher, joint_batch_norm=False, encoder=still)
    batch = mixed_batch()
    alone = copy.deepcopy(subject.classifier).train()
    logits = subject.answers(subject.classifier.train(), batch)
    labelled = batch.mask.any(dim=1)
    torch.testing.assert_close(logits[labelled], alone(batch.select(labelled)))
    torch.testing.assert_close(logits[~labelled], alone(batch.select(~labelled)))
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(subject.classifier.state_dict()[name], value)
    joint = method(MeanTeacher, encoder=still)
    assert not torch.allclose(joint.answers(joint.classifier.train(), batch), logits, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"b_s": None, "drop_labels": 0.0}, "data.b_s=null a process may draw"),
        ({"b_s": 0.5, "drop_labels": 0.25}, "data.drop_labels=0.25 a process may draw"),
        ({"b_s": 0.5, "drop_labels": 0.0}, None),
    ],
)
def test_ranks_pass_synchronised_batch_norms_equally_often(monkeypatch, settings, match):
    """Otherwise one waits for the other for ever: see the two passes of `answers`."""
    monkeypatch.setattr("musicssl.networks.distributed.world_size", lambda: 2)
    trainer = SimpleNamespace(world_size=2, datamodule=SimpleNamespace(**settings))
    apart, joint, plain = (method(MeanTeacher, joint_batch_norm=j) for j in (False, True, False))
    for subject in (apart, joint, plain):
        subject.trainer = trainer
        if subject is not plain:
            SyncBatchNorms().apply(subject.classifier)
    joint.on_train_start()
    plain.on_train_start()
    with pytest.raises(InputError, match=match) if match else nullcontext():
        apart.on_train_start()


def trained_state(kind, folder):
    subject = method(kind)
    trained(subject, folder, max_epochs=1)
    return subject.state_dict()


@pytest.mark.parametrize("start", [AttentionMIL, MeanTeacher, FixMatch])
@pytest.mark.parametrize("kind", [AttentionMIL, MeanTeacher, FixMatch])
def test_any_method_goes_on_from_the_network_another_predicts_with(tmp_path, start, kind):
    build = {AttentionMIL: lambda: AttentionMIL(**supervised_parts())}
    first = build.get(start, lambda: method(start))()
    trained(first, tmp_path, max_epochs=1)
    second = build.get(kind, lambda: method(kind))()
    second.start_from(first.state_dict(), first.predicts_with)
    val = mixed_batch()
    torch.testing.assert_close(second.eval()(val), first.eval()(val))
    torch.testing.assert_close(second.classifier(val), first(val))


@pytest.mark.parametrize("rule", ["own", "copied", "averaged"])
def test_a_frozen_part_is_frozen_in_the_teacher_too(tmp_path, rule):
    subject = method(MeanTeacher, teacher=partial(Teacher, decay=0.9, batch_norm=rule))
    subject.start_from(trained_state(Supervised, tmp_path), Supervised.predicts_with)
    subject.freeze_parts(["encoder"])
    parts = (subject.classifier, subject.teacher.average)
    before = [copy.deepcopy(network.state_dict()) for network in parts]
    trained(subject, tmp_path)
    for network, old in zip(parts, before, strict=True):
        changed = {
            name for name, v in network.state_dict().items() if not torch.equal(v, old[name])
        }
        assert changed == {name for name in old if name.startswith("pooling.")}
