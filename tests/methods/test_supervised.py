import torch

from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.supervised import Supervised
from tests.support.semi_supervised import mixed_batch
from tests.support.training import semi_supervised_parts


def test_it_learns_observed_labels_from_one_view_and_nothing_else():
    torch.manual_seed(0)
    subject, batch = Supervised(**semi_supervised_parts()).train(), mixed_batch()
    torch.manual_seed(1)
    logits, consistency, _ = subject.step(batch)
    torch.manual_seed(1)
    expected = subject.classifier(batch.augmented(subject.views.student))
    torch.testing.assert_close(logits, expected)
    assert consistency.item() == 0
    other = batch._replace(y=torch.where(batch.mask, batch.y, 1 - batch.y))  # what is hidden
    assert masked_bce(logits, other.y, other.mask) == masked_bce(logits, batch.y, batch.mask)
