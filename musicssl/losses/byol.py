"""BYOL: predict a slowly moving teacher's projection of another view of the clip."""

import torch
from torch import Tensor

from musicssl.losses.contrastive import unit_vectors


def prediction_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """Average the squared distance between the prediction of a view and the target of another view.

    2 - 2 cos(prediction, target): Grill et al. 2020, https://arxiv.org/abs/2006.07733, eq. 2. The
    authors add the two orders of two views; this is the mean over all ordered pairs of different
    views of a clip, half of their loss. No gradient flows into the targets.

    Args:
        predictions: Predictions for V views of B clips, (B, V, P), of any scale and precision.
        targets: Projections of the same views by the teacher, (B, V, P).

    Returns:
        Scalar in [0, 4].
    """
    different = ~torch.eye(targets.shape[1], dtype=torch.bool, device=targets.device)  # (V, V)
    with torch.autocast(predictions.device.type, enabled=False):
        cosines = unit_vectors(predictions) @ unit_vectors(targets.detach()).mT  # (B, V, V)
    return 2 - 2 * (cosines * different).sum() / (len(cosines) * different.sum())
