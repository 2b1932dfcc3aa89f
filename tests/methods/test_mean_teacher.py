from functools import partial

import torch

from musicssl.batch import Batch
from musicssl.encoders.att import AttEmbedding
from musicssl.methods.mean_teacher import MeanTeacher
from musicssl.networks.teacher import Teacher
from tests.support.training import UNCHANGED, semi_supervised_parts


def method(**changes):
    torch.manual_seed(0)
    changes = {"teacher": partial(Teacher, batch_norm="own")} | changes
    return MeanTeacher(**semi_supervised_parts(**changes)).train()


def unlabelled(count=16):
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(count, 5, 8, generator=generator)
    return Batch(x, torch.zeros(count, 3), torch.zeros(count, 3, dtype=torch.bool))


def test_consistency_is_the_mean_square_over_all_clips_and_classes():
    """Thesis, equation 5.4: (1 / C) |q - q'|^2 for each clip, whatever was observed of it."""
    subject, batch = method(), unlabelled()
    batch.mask[::3] = True
    torch.manual_seed(1)
    logits, consistency, _ = subject.step(batch)

    fresh = method()
    torch.manual_seed(
        1
    )  # the draws come in the order: view and dropout of student, then of teacher
    q = fresh.classifier(batch.augmented(fresh.views.student)).sigmoid()
    teacher = fresh.teacher(batch.augmented(fresh.views.target)).sigmoid()
    torch.testing.assert_close(logits.sigmoid(), q)
    clips = [sum((q[i, c] - teacher[i, c]) ** 2 for c in range(3)) / 3 for i in range(len(q))]
    torch.testing.assert_close(consistency, torch.stack(clips).mean())


def test_unlabelled_clips_reach_the_student_and_never_the_teacher():
    """In a published implementation the student's answers are the teacher's: no gradient at all."""
    subject = method()
    logits, consistency, _ = subject.step(unlabelled())
    consistency.backward()
    assert all(p.grad is None for p in subject.teacher.parameters())
    reached = [p.grad.abs().max() > 0 for p in subject.classifier.pooling.parameters()]
    reached += [p.grad.abs().max() > 0 for p in subject.classifier.encoder.parameters()]
    assert all(reached)
    assert logits.requires_grad


def test_without_noise_teacher_and_student_agree():
    parts = {"views": UNCHANGED, "encoder": partial(AttEmbedding, dropout=0.0)}
    for joint in (True, False):
        batch = unlabelled()
        batch.mask[:6] = True
        assert method(**parts, joint_batch_norm=joint).step(batch).consistency.item() == 0
    noisy = method(**parts | {"encoder": partial(AttEmbedding, dropout=0.5)})
    assert noisy.step(unlabelled()).consistency.item() > 0
    apart = method(**parts | {"teacher": partial(Teacher, batch_norm="copied")})
    assert apart.step(unlabelled()).consistency.item() > 0  # it keeps to running statistics


def test_the_teacher_teaches_in_training_mode_with_statistics_of_its_own():
    subject = method()
    before = {name: b.clone() for name, b in subject.teacher.named_buffers()}
    subject.step(unlabelled())
    assert subject.teacher.training
    theirs = dict(subject.classifier.named_buffers())
    for name, buffer in subject.teacher.named_buffers():
        if "running" in name:
            assert not torch.allclose(buffer, before[name])
            assert not torch.equal(buffer, theirs[name.removeprefix("average.")])
