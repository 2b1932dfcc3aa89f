from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.methods.fixmatch import FixMatch
from musicssl.networks.pooling import MeanPooling
from musicssl.networks.thresholds.adamatch import AdaMatchThreshold
from musicssl.networks.thresholds.fixed import FixedThreshold
from musicssl.networks.thresholds.freematch import FreeMatchThresholds
from musicssl.networks.thresholds.prior import PriorMatchedThresholds
from musicssl.networks.thresholds.softmatch import SoftMatchWeights
from tests.support.kinds import OneClass
from tests.support.semi_supervised import data, mixed_batch
from tests.support.training import UNCHANGED, quiet_trainer, semi_supervised_parts


def method(share=0.5, **changes):
    torch.manual_seed(0)
    thresholds = partial(PriorMatchedThresholds, share=share)
    subject = FixMatch(**semi_supervised_parts(**({"thresholds": thresholds} | changes))).train()
    subject.prior.copy_(torch.tensor([0.3, 0.5, 0.5]))
    subject.trainer = SimpleNamespace(world_size=1)
    return subject


def test_a_step_learns_from_the_strong_view_what_it_trusts_of_the_weak_one():
    subject, batch = method(), mixed_batch()
    torch.manual_seed(1)
    weak, consistency, notes = subject.step(batch)

    fresh = method()
    torch.manual_seed(1)
    views = [batch.augmented(fresh.views.target), batch.augmented(fresh.views.student)]
    both = Batch(torch.cat([v.x for v in views]), batch.y, batch.mask)
    first, second = fresh.classifier(both).chunk(2)
    torch.testing.assert_close(weak, first)
    probs, total, trusted = first.sigmoid(), 0.0, {"present": 0, "absent": 0}
    fresh.thresholds.update(probs[6:].detach(), fresh.prior)  # clips with hidden labels
    for i in range(16):
        for c in range(3):
            if batch.mask[i, c]:
                target = batch.y[i, c]
            elif probs[i, c] >= fresh.thresholds.upper[c]:
                target, trusted["present"] = torch.tensor(1.0), trusted["present"] + 1
            elif probs[i, c] <= fresh.thresholds.lower[c]:
                target, trusted["absent"] = torch.tensor(0.0), trusted["absent"] + 1
            else:
                continue
            total = total + binary_cross_entropy_with_logits(second[i, c], target)
    torch.testing.assert_close(consistency, total / 48)
    assert 0 < sum(trusted.values()) < 30
    for kind, count in trusted.items():
        assert notes[f"selected_{kind}"].item() == pytest.approx(count / 30)


def test_no_gradient_passes_through_the_weak_view():
    """Tied to the strong view by no batch norm, the weak one gets none from the consistency."""
    subject, batch = method(encoder=partial(AttEmbedding, dropout=0.0)), mixed_batch()
    for module in subject.modules():
        if hasattr(module, "running_mean"):
            module.eval()
    logits, consistency, _ = subject.step(batch)
    weak = torch.autograd.grad(consistency, logits, allow_unused=True, retain_graph=True)[0]
    assert weak is None or weak.abs().max() == 0
    assert torch.autograd.grad(consistency, subject.classifier.pooling.classifier.weight)[0].any()


def test_observed_labels_outvote_pseudo_labels():
    subject = method(share=1.0, views=UNCHANGED, encoder=partial(AttEmbedding, dropout=0.0))
    batch = mixed_batch(num_labelled=16)
    logits, consistency, notes = subject.step(batch)
    torch.testing.assert_close(consistency, binary_cross_entropy_with_logits(logits, batch.y))
    assert notes["selected_present"].item() == notes["selected_absent"].item() == 0


def test_the_trust_is_judged_where_the_truth_is_known(tmp_path):
    subject, clips = method(), data(p_cells=0.6)
    trainer = quiet_trainer(tmp_path, max_epochs=2)
    trainer.fit(subject, clips)
    val = clips.clips("val")
    assert not val.mask.all()
    probs = subject.eval().classifier(val).sigmoid()
    present, absent = probs >= subject.thresholds.upper, probs <= subject.thresholds.lower
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    for kind, trusted, truth in (
        ("present", present, val.y),
        ("absent", absent & ~present, 1 - val.y),
    ):
        rates, precisions = [], []
        for c in range(3):
            seen = val.mask[:, c]
            rates.append(trusted[seen, c].float().mean().item())
            precisions.append(truth[seen & trusted[:, c], c].mean().item())  # NaN: none
        found = (logged[f"val/{kind}_rate"], logged[f"val/{kind}_precision"])
        expected = torch.tensor([rates, precisions]).nanmean(dim=1).tolist()
        assert found == pytest.approx(expected, nan_ok=True)
        if kind == "present":
            by_class = [logged[f"val/present_precision/{name}"] for name in "abc"]
            assert by_class == pytest.approx(precisions, nan_ok=True)


def test_a_class_whose_labels_are_all_hidden_gets_no_pseudo_labels(tmp_path):
    subject = method(share=1.0)
    subject.prior.copy_(torch.tensor([0.3, torch.nan, 0.5]))
    batch = mixed_batch()
    batch.mask[:, 1] = False
    _, consistency, notes = subject.step(batch)
    assert consistency.isfinite()
    assert notes["selected_present"] + notes["selected_absent"] <= 20 / 36


def of_one_class(**changes):
    parts = {"task": "multi_class", "loss": None, "pooling": MeanPooling}
    torch.manual_seed(0)
    thresholds = partial(FixedThreshold, threshold=0.55)
    subject = FixMatch(**semi_supervised_parts(**({"thresholds": thresholds} | parts | changes)))
    subject.trainer = SimpleNamespace(world_size=1)
    return subject.train()


def batch_of_one_class():
    batch = mixed_batch()
    batch.y[:] = torch.eye(3)[torch.arange(16) % 3]
    return batch


def test_with_one_class_a_clip_it_is_the_published_method():
    """Oracle: equation 4, clip by clip, over the unlabelled clips of the batch."""
    subject, batch = of_one_class(), batch_of_one_class()
    torch.manual_seed(1)
    weak, consistency, notes = subject.step(batch)

    fresh = of_one_class()
    torch.manual_seed(1)
    views = [batch.augmented(fresh.views.target).x, fresh.views.student(batch.x[6:], None)]
    logits = fresh.classifier(Batch(torch.cat(views), batch.y, batch.mask))
    torch.testing.assert_close(weak, logits[:16])
    total, selected = 0.0, 0
    for i in range(10):
        probs = logits[6 + i].softmax(dim=0)
        if probs.max() >= 0.55:
            total = total + cross_entropy(logits[16 + i], probs.argmax())
            selected += 1
    assert 0 < selected < 10
    torch.testing.assert_close(consistency, total / 10)
    assert notes["selected"].item() == pytest.approx(selected / 10)


def test_without_an_unlabelled_clip_there_is_nothing_to_be_consistent_with():
    subject, batch = of_one_class(), batch_of_one_class()
    batch.mask[:] = True
    logits, consistency, _ = subject.step(batch)
    assert logits.shape == (16, 3)
    assert consistency.item() == 0


def test_the_relative_threshold_reads_labelled_clips_as_they_are():
    """Oracle: AdaMatch on a batch by hand; only predictions on unlabelled clips are aligned."""
    subject = of_one_class(thresholds=AdaMatchThreshold, alignment=0.0)
    scores = torch.randn(16, 3).softmax(dim=1)
    observed = torch.zeros(16, 3, dtype=torch.bool)
    observed[:6] = True
    present, _ = subject._pseudo_labels(scores, observed, ~observed.all(dim=1))
    threshold = 0.9 * sum(max(row) for row in scores[:6].tolist()) / 6
    ratio = (scores[:6].mean(dim=0) / scores[6:].mean(dim=0)).tolist()
    selected = 0
    for row, weights in zip(scores[6:].tolist(), present[6:].tolist(), strict=True):
        scaled = [p * r for p, r in zip(row, ratio, strict=True)]
        best = max(range(3), key=scaled.__getitem__)
        trusted = scaled[best] / sum(scaled) >= threshold
        assert weights == [float(trusted and c == best) for c in range(3)]
        selected += trusted
    assert 0 < selected < 10


def test_fairness_is_added_to_the_consistency():
    free = partial(FreeMatchThresholds, momentum=0.5)
    losses = []
    for fairness in (0.0, 0.3):
        subject = of_one_class(thresholds=partial(free, fairness=fairness))
        torch.manual_seed(1)
        losses.append(subject.step(batch_of_one_class()).consistency)
    assert losses[1] < losses[0]  # by a weighted cross-entropy


def test_two_labels_that_exclude_each_other_are_a_softmax():
    """A sigmoid of s is a softmax of (s, 0): the losses are equal, selected cell by clip."""
    scores = torch.rand(9, 1)
    for kind in (partial(FixedThreshold, threshold=0.7), FreeMatchThresholds, SoftMatchWeights):
        label, pair = kind(num_classes=1), kind(num_classes=2, one_class_per_clip=True)
        both, prior = torch.cat([scores, 1 - scores], dim=1), torch.tensor([0.5])
        label.update(scores, prior)
        pair.update(both, prior.expand(2))
        expected = pair.weights(both, prior.expand(2))[0]
        torch.testing.assert_close(torch.cat(label.weights(scores, prior), dim=1), expected)


@pytest.mark.parametrize(
    "kind", [FixedThreshold, AdaMatchThreshold, FreeMatchThresholds, SoftMatchWeights]
)
def test_one_class_a_clip_is_trained_and_the_trust_is_judged(tmp_path, kind):
    subject = of_one_class(thresholds=kind, alignment=0.9)
    corpus = OneClass(unlabelled=20)
    clips = SemiSupervisedDataModule(corpus, b_s=0.5, p_s=0.5, batch_size=16)
    trainer = quiet_trainer(tmp_path, max_epochs=3)
    trainer.fit(subject, clips)
    val = clips.clips("val")
    known = val.mask.all(dim=1)
    scores = subject.alignment(subject.eval().classifier(val).softmax(dim=1))[known]
    weights, _ = subject.thresholds.weights(scores, subject.prior)
    right = sum(weights[i, val.y[known][i].argmax()].item() for i in range(len(weights)))
    total = weights.sum().item()
    logged = trainer.callback_metrics
    assert logged["val/selected_rate"].item() == pytest.approx(total / len(weights), rel=1e-4)
    assert logged["val/selected_precision"].item() == pytest.approx(
        right / total if total else float("nan"), rel=1e-4, nan_ok=True
    )


def test_a_class_without_labels_gets_no_pseudo_labels_from_any_thresholds():
    subject = method(thresholds=SoftMatchWeights)
    subject.prior.copy_(torch.tensor([0.3, torch.nan, 0.5]))
    batch = mixed_batch()
    batch.mask[:, 1] = False
    present, absent = subject._pseudo_labels(torch.rand(16, 3), batch.mask, ~batch.mask.all(dim=1))
    assert not (present + absent)[:, 1].any()
    assert ((present + absent)[6:, [0, 2]] > 0).all()
