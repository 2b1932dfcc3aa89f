import math
from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

from musicssl.augment.mixing.mixup import Mixup
from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.methods.simmatch import SimMatch
from musicssl.networks.pooling import MeanPooling
from musicssl.networks.projector import Projector
from musicssl.networks.thresholds.fixed import FixedThreshold
from musicssl.networks.thresholds.softmatch import SoftMatchWeights
from tests.support.kinds import OneClass
from tests.support.semi_supervised import Seeds
from tests.support.training import UNCHANGED, quiet_trainer, semi_supervised_parts


def method(**changes):
    torch.manual_seed(0)
    parts = {
        "task": "multi_class",
        "loss": None,
        "pooling": MeanPooling,
        "projector": partial(Projector, hidden=16, out_dim=6),
        "thresholds": partial(FixedThreshold, threshold=0.4),
    }
    return SimMatch(**semi_supervised_parts(**(parts | changes)))


def data(**settings):
    corpus = OneClass(unlabelled=20)
    return SemiSupervisedDataModule(
        corpus, **({"b_s": 0.5, "p_s": 0.3, "batch_size": 16} | settings)
    )


def begun(folder, **changes):
    """Return a method without memory, as at the start of a run, and a batch of the run."""
    subject, clips = method(**changes), data()
    quiet_trainer(folder, max_steps=1, limit_train_batches=1).fit(subject, clips)
    subject.ensemble.sums.zero_()
    subject.ensemble.counts.zero_()
    if subject.alignment is not None:
        subject.alignment.num_updates.zero_()
    batch = next(iter(clips.train_dataloader()))
    return subject.train(), batch, clips


def cross_entropy(target, logits):
    return -sum(t * x for t, x in zip(target, logits.log_softmax(dim=0), strict=True))


def test_a_step_follows_the_equations_clip_by_clip(tmp_path):
    """Oracle: the paper's formulas in loops, with a memory that one step has filled in part."""
    subject, batch, clips = begun(tmp_path, encoder=partial(AttEmbedding, dropout=0.0))
    torch.manual_seed(1)
    subject.step(batch.select(torch.arange(16) % 3 > 0))
    sums, counts = subject.ensemble.sums.clone(), subject.ensemble.counts.clone()
    means = subject.alignment.unlabelled.clone()
    torch.manual_seed(2)
    weak, consistency, notes = subject.step(batch)

    torch.manual_seed(2)
    labelled = batch.mask.all(dim=1)
    views = [batch.augmented(subject.views.target).x]
    views.append(subject.views.student(batch.x[~labelled], None))
    x = torch.cat(views)
    logits, embeddings = subject.classifier.with_clip_embeddings(Batch(x, batch.y, batch.mask))
    z = normalize(subject.projector(embeddings), dim=1)
    torch.testing.assert_close(weak, logits[:16])
    probs = logits[:16].softmax(dim=1).detach()
    means = 0.99 * means + 0.01 * probs[~labelled].mean(dim=0)

    rows = clips.labelled().tolist()
    known = [k for k in range(len(rows)) if counts[k] > 0]
    assert 0 < len(known) < len(rows)
    bank = {k: normalize(sums[k], dim=0) for k in known}
    classes = {k: int(clips.corpus.y[rows[k]].argmax()) for k in known}
    semantic, instance, selected = 0.0, 0.0, 0
    for u, i in enumerate(torch.nonzero(~labelled).flatten().tolist()):
        p = probs[i] / means
        p = (p / p.sum()).tolist()
        powers = {k: math.exp(float(z[i].detach() @ bank[k]) / 0.1) for k in known}
        q = {k: powers[k] / sum(powers.values()) for k in known}
        votes = [sum(q[k] for k in known if classes[k] == c) for c in range(3)]
        mixed = [0.9 * p[c] + 0.1 * votes[c] for c in range(3)]
        if max(mixed) >= 0.4:
            semantic = semantic + cross_entropy(mixed, logits[16 + u])
            selected += 1
        scaled = {k: q[k] * p[classes[k]] for k in known}
        target = [scaled[k] / sum(scaled.values()) for k in known]
        similar = torch.stack([z[16 + u] @ bank[k] / 0.1 for k in known])
        instance = instance + cross_entropy(target, similar)
    num_unlabelled = int((~labelled).sum())
    assert 0 < selected < num_unlabelled
    torch.testing.assert_close(notes["semantic_loss"], semantic / num_unlabelled)
    torch.testing.assert_close(notes["instance_loss"], instance / num_unlabelled)
    torch.testing.assert_close(consistency, (semantic + instance) / num_unlabelled)
    assert notes["selected"].item() == pytest.approx(selected / num_unlabelled)
    assert notes["remembered"].item() == pytest.approx(len(known) / len(rows))


def test_without_a_memory_only_the_classes_are_compared(tmp_path):
    subject, batch, _ = begun(tmp_path, alignment=None, views=UNCHANGED)
    _, consistency, notes = subject.step(batch)
    assert notes["instance_loss"].item() == notes["remembered"].item() == 0
    torch.testing.assert_close(consistency, notes["semantic_loss"])


def test_targets_carry_no_gradient_and_all_parts_learn(tmp_path):
    subject, batch, _ = begun(tmp_path, encoder=partial(AttEmbedding, dropout=0.0))
    for module in subject.modules():  # batch norms would tie the views of a batch
        if hasattr(module, "running_mean"):
            module.eval()
    subject.step(batch)
    weak, consistency, _ = subject.step(batch)
    through = torch.autograd.grad(consistency, weak, allow_unused=True, retain_graph=True)[0]
    assert through is None or through.abs().max() == 0
    consistency.backward()
    assert not subject.ensemble.sums.requires_grad
    for part in (subject.projector, subject.classifier.pooling):
        assert all(p.grad.abs().max() > 0 for p in part.parameters())


def test_every_labelled_clip_that_was_drawn_is_remembered(tmp_path):
    subject, clips = method(), data()
    quiet_trainer(tmp_path, max_epochs=2, callbacks=[Seeds()]).fit(subject, clips)
    plan, rows = clips.batch_plan(), clips.labelled()
    expected = torch.zeros(len(rows), dtype=torch.int64)
    for epoch in range(2):
        for step in range(clips.steps_per_epoch):
            drawn = plan.clips(epoch, step)
            expected += torch.tensor([int(row in drawn) for row in rows])
    assert torch.equal(subject.ensemble.counts[:-1], expected)
    assert subject.classes.tolist() == clips.corpus.y[rows].argmax(axis=1).tolist()


def test_soft_weights_and_no_unlabelled_clip_are_possible(tmp_path):
    subject, batch, _ = begun(tmp_path, thresholds=partial(SoftMatchWeights, momentum=0.0))
    subject.step(batch)
    _, consistency, notes = subject.step(batch)
    assert consistency.isfinite()
    assert 0 < notes["selected"].item() < 1
    logits, consistency, _ = subject.step(batch.select(batch.mask.all(dim=1)))
    assert len(logits) == int(batch.mask.all(dim=1).sum())
    assert consistency.item() == 0


def test_streams_with_batch_norms_of_their_own_are_put_together_again(tmp_path):
    subject, batch, _ = begun(tmp_path, joint_batch_norm=False, views=UNCHANGED)
    for module in subject.modules():
        module.eval()
    found = subject.step(batch).logits
    torch.testing.assert_close(found, subject.classifier(batch))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "multi_label"}, "one class per clip.*choose method=fixmatch or mean_teacher"),
        ({"task": "regression"}, "one class per clip.*choose method=mean_teacher"),
        ({"mixing": Mixup(0.5)}, "method=simmatch keeps an average for each clip"),
        ({"temperature": 0.0}, r"method\.temperature must be positive"),
        ({"alpha": 1.1}, r"method\.alpha must be in \[0, 1\]"),
        ({"instance_weight": -1.0}, r"method\.instance_weight must be 0 or more"),
        ({"momentum": 1.0}, r"method\.momentum must be in \[0, 1\)"),
    ],
)
def test_what_it_is_not_for_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        method(**changes)
