from functools import partial

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from musicssl.batch import Batch
from musicssl.encoders.att import AttEmbedding
from musicssl.methods.fixmatch import FixMatch
from musicssl.thresholds import PriorMatchedThresholds
from tests.methods.test_semi_supervised import data, mixed_batch
from tests.training import UNCHANGED, quiet_trainer, semi_supervised_parts


def method(share=0.5, **changes):
    torch.manual_seed(0)
    thresholds = partial(PriorMatchedThresholds, share=share)
    subject = FixMatch(**semi_supervised_parts(thresholds=thresholds, **changes)).train()
    subject.prior.copy_(torch.tensor([0.3, 0.5, 0.5]))
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
    subject, clips = method(), data()
    trainer = quiet_trainer(tmp_path, max_epochs=2)
    trainer.fit(subject, clips)
    val = clips.clips("val")
    probs = subject.eval().classifier(val).sigmoid()
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    precisions, rates = [], []
    for c, name in enumerate("abc"):
        trusted = probs[:, c] >= subject.thresholds.upper[c]
        rates.append(trusted.float().mean().item())
        right = val.y[trusted, c]
        precisions.append(right.mean().item() if len(right) else float("nan"))
        assert logged[f"present_rate/{name}"] == pytest.approx(rates[-1])
        assert logged[f"present_precision/{name}"] == pytest.approx(precisions[-1], nan_ok=True)
    assert logged["val/present_rate"] == pytest.approx(sum(rates) / 3)
    assert logged["val/present_precision"] == pytest.approx(
        torch.tensor(precisions).nanmean().item(), nan_ok=True
    )
    absent = (probs <= subject.thresholds.lower).float().mean().item()
    assert logged["val/absent_rate"] == pytest.approx(absent)
