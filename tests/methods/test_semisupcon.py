import itertools
from functools import partial

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import NTXentLoss, SupConLoss

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.losses.similarity import Labels, dice, kernel, same_class, shared_labels
from musicssl.methods.semisupcon import SemiSupCon
from tests.support.contrastive import projections, seen
from tests.support.quick import slow_after
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer, representation_parts


def method(**changes):
    torch.manual_seed(0)
    return SemiSupCon(**representation_parts(**changes))


def slow_loss(z, batch, similar, temperature):
    """The formula, pair by pair: methods.md section 3."""
    z = z / z.norm(dim=1, keepdim=True)
    total, anchors = 0.0, 0
    for i in range(len(z)):
        weights, scores = {}, {}
        for j in range(len(z)):
            if i == j:
                continue
            scores[j] = (z[i] @ z[j]).item() / temperature
            weights[j] = min(1.0, float(batch.rows[i] == batch.rows[j]) + similar(i, j))
        if sum(weights.values()) == 0:
            continue
        log_sum = np.logaddexp.reduce(list(scores.values()))
        terms = [weight * (log_sum - scores[j]) for j, weight in weights.items()]
        total, anchors = total + sum(terms) / sum(weights.values()), anchors + 1
    return total / anchors


def test_positives_come_from_views_and_from_labels_where_both_were_observed():
    batch = seen()

    def dice_of(i, j):
        if not (batch.mask[i].all() and batch.mask[j].all()):
            return 0.0
        a, b = batch.y[i], batch.y[j]
        both = sum(float(x and y) for x, y in zip(a, b, strict=True))
        count = (a.sum() + b.sum()).item()
        return 2 * both / count if count else 0.0

    z = projections(batch)
    loss, notes = method(temperature=0.2).objective(batch, z)
    assert loss.item() == pytest.approx(slow_loss(z, batch, dice_of, 0.2), rel=1e-5)
    positives = [
        sum(i != j and (batch.rows[i] == batch.rows[j] or dice_of(i, j) > 0) for j in range(16))
        for i in range(16)
    ]
    assert notes["positives_per_anchor"].item() == pytest.approx(np.mean(positives))


def test_without_labels_it_is_nt_xent():
    batch = seen(num_labelled=0)
    z = projections(batch)
    loss, notes = method(temperature=0.3).objective(batch, z)
    torch.testing.assert_close(loss, NTXentLoss(temperature=0.3)(z, batch.rows))
    assert notes["positives_per_anchor"] == 1


def test_with_all_classes_known_it_is_supcon():
    batch = seen(num_labelled=8)
    classes = torch.randint(3, (8,), generator=torch.Generator().manual_seed(3))
    classes = classes.repeat_interleave(2)
    batch = batch._replace(y=torch.eye(3)[classes])
    z = projections(batch)
    loss, _ = method(task="multi_class", temperature=0.3).objective(batch, z)
    torch.testing.assert_close(loss, SupConLoss(temperature=0.3)(z, classes))


def test_what_an_unlabelled_clip_has_in_y_does_not_count():
    """The published code has zeros for unobserved labels, and matches where both are 1."""
    batch = seen(num_labelled=4)
    z = projections(batch)
    loss, _ = method().objective(batch, z)
    for value in (1.0, float("nan")):
        other = batch._replace(y=batch.y.where(batch.mask, value))
        torch.testing.assert_close(method().objective(other, z).loss, loss)


def test_the_crops_of_a_clip_that_both_streams_drew_are_positives():
    batch = seen(num_labelled=2)
    batch.rows[8:10] = batch.rows[0]
    weights = batch_weights(method(), batch)
    assert weights[8:10, :2].eq(1).all()
    assert weights[8:10, 2:8].eq(0).all()


def batch_weights(subject, batch):
    labels = Labels(batch.y, batch.mask)
    return subject.weights(batch.rows, batch.rows, labels, labels)


@pytest.mark.parametrize("rows", [1, 5, 16, 100])
def test_in_chunks_it_is_the_same(rows):
    batch = seen()
    results = []
    for chunk_rows in (None, rows):
        z = projections(batch).requires_grad_()
        loss, notes = method(chunk_rows=chunk_rows).objective(batch, z)
        loss.backward()
        results.append((loss.detach(), z.grad, notes["positives_per_anchor"]))
    torch.testing.assert_close(results[0], results[1])


def test_the_order_of_clips_does_not_matter():
    batch, z = seen(), projections(seen())
    order = torch.tensor(
        list(itertools.chain(*((2 * i, 2 * i + 1) for i in (5, 0, 7, 1, 2, 6, 4, 3))))
    )
    loss, _ = method().objective(batch, z)
    torch.testing.assert_close(method().objective(batch.select(order), z[order]).loss, loss)


@pytest.mark.parametrize(
    ("task", "expected"),
    [("multi_label", dice), ("multi_class", same_class), ("regression", kernel)],
)
def test_the_similarity_of_labels_is_that_of_the_task(task, expected):
    similarity = method(task=task).similarity
    assert getattr(similarity, "func", similarity) is expected


def test_a_similarity_of_ones_own_is_taken():
    def alike(a, b):
        return torch.ones(len(a.y), len(b.y))

    batch = seen()
    assert batch_weights(method(similarity=alike), batch).eq(1).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.0}, "method.temperature must be positive"),
        ({"chunk_rows": 0}, "method.chunk_rows must be 1 or more"),
        ({"task": "regression", "similarity": shared_labels}, "regression"),
        ({"similarity": partial(shared_labels, threshold=0)}, "similarity.threshold must be 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        method(**changes)


@pytest.mark.parametrize("b_s", slow_after(1, [0, 0.5, 1]))
def test_what_is_alike_comes_closer_than_what_is_not(tmp_path, b_s):
    subject = method()
    tiny = Tiny(num_instances=1)  # of five instances, nearly all clips would share a class
    clips = SemiSupervisedDataModule(tiny, batch_size=28, num_crops=2, b_s=b_s)
    trainer = quiet_trainer(tmp_path, max_epochs=15)
    clips.setup()
    before = separation(subject, clips)
    trainer.fit(subject, clips)
    assert separation(subject, clips) > before + 0.05
    assert trainer.callback_metrics["val/auroc"] > 0.8


@torch.no_grad()
def separation(subject, clips):
    """How much more alike, in cosines, are rows that are to be than rows that are not."""
    torch.manual_seed(1)
    subject.eval()
    batch = next(iter(clips.train_dataloader()))
    z = subject.projector(subject.classifier.clip_embeddings(subject.viewed(batch)))
    z = torch.nn.functional.normalize(z)
    cosines = z @ z.T
    weights = batch_weights(subject, batch).fill_diagonal_(0)
    apart = cosines[(weights == 0) & ~torch.eye(len(z), dtype=torch.bool)]
    return ((weights * cosines).sum() / weights.sum() - apart.mean()).item()
