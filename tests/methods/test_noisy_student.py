import math
from functools import partial

import pytest
import torch

from musicssl.augment.chain import Chain
from musicssl.augment.views import Views
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.methods.noisy_student import NoisyStudent
from musicssl.networks.pooling import MeanPooling
from tests.support.kinds import OneClass, Values
from tests.support.semi_supervised import data, mixed_batch
from tests.support.teacher_table import table_of
from tests.support.training import UNCHANGED, quiet_trainer, semi_supervised_parts


def student(**changes):
    torch.manual_seed(0)
    parts = {"consistency_weight": 1.0, "views": UNCHANGED}
    parts["encoder"] = partial(AttEmbedding, dropout=0.0)
    return NoisyStudent(**semi_supervised_parts(**parts) | changes).train()


def partly_labelled():
    """Six clips with a label each, one of them with all; ten without; a teacher that misses one."""
    batch = mixed_batch()
    mask = torch.zeros(16, 3, dtype=torch.bool)
    mask[torch.arange(6), torch.arange(6) % 3] = True
    mask[0] = True
    teacher = 2 * torch.randn(16, 3, generator=torch.Generator().manual_seed(1))
    teacher_mask = torch.arange(16) != 15
    return batch._replace(mask=mask, teacher=teacher, teacher_mask=teacher_mask)


def bernoulli_divergence(t, s):
    """KL(t || s) of two classes from their probabilities, by the definition."""
    return t * math.log(t / s) + (1 - t) * math.log((1 - t) / (1 - s))


@pytest.mark.parametrize("pseudo_labels", ["unobserved", "unlabelled"])
def test_the_teacher_fills_the_cells_without_a_label(pseudo_labels):
    """Oracle: a loop over cells."""
    subject, batch = student(pseudo_labels=pseudo_labels), partly_labelled()
    logits, loss, _ = subject.step(batch)
    t, s = batch.teacher.double().sigmoid(), logits.double().sigmoid()
    cells = []
    for i in range(15):
        for c in range(3):
            wanted = i >= 6 if pseudo_labels == "unlabelled" else not batch.mask[i, c]
            if wanted:
                cells.append(bernoulli_divergence(t[i, c].item(), s[i, c].item()))
    assert len(cells) == (27 if pseudo_labels == "unlabelled" else 27 + 5 * 2)
    assert loss.item() == pytest.approx(sum(cells) / len(cells), rel=1e-4)


def test_gradients_are_those_of_the_published_cross_entropy():
    """Oracle: the difference of the probabilities of a cell, over the number of such cells."""
    subject, batch = student(pseudo_labels="unlabelled"), mixed_batch()
    batch = batch._replace(teacher=torch.randn(16, 3))
    logits, loss, _ = subject.step(batch)
    [found] = torch.autograd.grad(loss, logits, retain_graph=True)
    free = batch.mask.logical_not()
    difference = logits.sigmoid() - batch.teacher.sigmoid()
    torch.testing.assert_close(found, (difference / free.sum()).where(free, 0))


def test_one_class_of_a_clip_is_compared_by_a_softmax():
    clips = SemiSupervisedDataModule(OneClass(), batch_size=16, p_s=0.3, b_s=0.5)
    clips.add_teacher(table_of(clips.corpus, "logits"))
    subject = student(loss=None, pooling=MeanPooling, **clips.sizes)
    clips.serve(subject.needs)
    batch = next(iter(clips.train_dataloader()))
    logits, loss, _ = subject.step(batch)
    t, s = batch.teacher.double().softmax(dim=1), logits.double().softmax(dim=1)
    free = [i for i in range(16) if not batch.mask[i].any()]
    assert 0 < len(free) < 16
    expected = sum((t[i] * (t[i] / s[i]).log()).sum().item() for i in free) / len(free)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_only_the_student_is_disturbed():
    """The view reaches the student, dropout is on, and what the teacher said stays as it was."""

    class Louder:
        def __call__(self, x, lengths=None):
            return x + 1

    views = Views(student=Chain(louder=Louder()), target=Chain())
    subject, batch = student(views=views), partly_labelled()
    said = batch.teacher.clone()
    logits = subject.step(batch).logits
    torch.testing.assert_close(logits, student().classifier(batch._replace(x=batch.x + 1)))
    assert torch.equal(batch.teacher, said)
    noisy = student(encoder=partial(AttEmbedding, dropout=0.5))
    assert not torch.equal(noisy.step(batch).logits, noisy.step(batch).logits)


def test_unlabelled_clips_are_compared_with_the_teacher_only(tmp_path):
    """With so few labels that these do not: the same student without a teacher is worse."""
    accuracies = {}
    for weight in (0.0, 4.0):
        clips = data(p_s=0.05, b_s=0.25)
        clips.add_teacher(table_of(clips.corpus, "logits"))
        subject = student(consistency_weight=weight)
        quiet_trainer(tmp_path, max_epochs=15, limit_val_batches=0).fit(subject, clips)
        test = clips.clips("test")
        answers = subject.eval()(test) > 0
        accuracies[weight] = (answers == test.y.bool()).float().mean().item()
    assert accuracies[4.0] > 0.85
    assert accuracies[4.0] > accuracies[0.0] + 0.05


def test_what_it_cannot_learn_is_refused():
    with pytest.raises(InputError, match="unobserved or unlabelled, got all"):
        student(pseudo_labels="all")
    clips = SemiSupervisedDataModule(Values(), batch_size=16)
    with pytest.raises(InputError, match="for corpora with classes"):
        student(loss=None, pooling=MeanPooling, **clips.sizes)
