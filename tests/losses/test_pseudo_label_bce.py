import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from musicssl.losses.pseudo_label_bce import pseudo_label_bce


def test_one_label_is_fixmatch_with_a_softmax_over_two_classes():
    """Sohn et al. 2020, equation 4, with logits (0, s) for absent and present."""
    generator = torch.Generator().manual_seed(0)
    weak, strong = (3 * torch.randn(2, 64, 1, generator=generator)).unbind()
    confidence, label = torch.cat([torch.zeros_like(weak), weak], dim=1).softmax(dim=1).max(dim=1)
    trusted = confidence >= 0.95
    each = cross_entropy(
        torch.cat([torch.zeros_like(strong), strong], dim=1), label, reduction="none"
    )
    expected = (trusted * each).mean()
    assert 0 < trusted.sum() < 64

    probs = weak.sigmoid()
    selected = (probs >= 0.95) | (probs <= 1 - 0.95)
    found = pseudo_label_bce(strong, (probs >= 0.5).float(), selected)
    torch.testing.assert_close(found, expected)


def test_with_all_selected_it_is_plain_cross_entropy_and_with_none_it_is_zero():
    logits, targets = torch.randn(7, 4, requires_grad=True), (torch.rand(7, 4) < 0.5).float()
    everything = torch.ones(7, 4, dtype=torch.bool)
    plain = binary_cross_entropy_with_logits(logits, targets)
    torch.testing.assert_close(pseudo_label_bce(logits, targets, everything), plain)
    nothing = pseudo_label_bce(logits, targets, ~everything)
    nothing.backward()
    assert nothing.item() == 0
    assert logits.grad.abs().max() == 0
