"""`east`: embeddings of a larger network as the teacher of a small one."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.losses.embeddings_as_teachers import (
    cosine_difference_loss,
    distance_correlation_loss,
)
from musicssl.methods.base.distillation import DistillationMethod
from musicssl.networks.distributed import gathered

_FEWEST_CLIPS = {"distance_correlation": 2, "unbiased_distance_correlation": 4, "cosine": 2}


class EAsT(DistillationMethod):
    """Learn features in which the same clips are similar as in the embeddings of a teacher.

    Ding and Lerch 2023, "Audio Embeddings as Teachers for Music Classification",
    https://arxiv.org/abs/2306.17424:

        loss = (1 - teacher_weight) * supervised + teacher_weight * R

    where R compares the student's features of the clips of a batch with the teacher's embeddings,
    see `musicssl.losses.embeddings_as_teachers`. There is no map between them. The features are
    those of the encoder's last stage ("EAsT-Final") or of each stage ("EAsT-All", the mean of R
    over stages); see `Classifier.with_stages`. EAsT-KD puts kd_share * KD + (1 - kd_share) * R in
    the place of R, with a share of 0.3; see `DistillationMethod` for its teacher.

    Differences: the authors repeat the frames of student or teacher in time until there are as many
    of both, and average R over frames. Here a clip has one embedding, and the student's features
    are averaged over time first, which is the authors' setting `expand = -1`. The measure has its
    own scale, see there. In distributed training it is that of the clips of all ranks.

    Args:
        compare: "distance_correlation" as published, "unbiased_distance_correlation" for small
            batches, or "cosine", the published difference of cosines.
        stages: "final" or "all".
        kd_share: Share of distillation in R, in [0, 1]; 0.3 in EAsT-KD, 0 without it.
        parts: See `DistillationMethod`.

    Raises:
        InputError: If a setting is out of range.
    """

    needs: ClassVar[Needs] = Needs(teacher=("embeddings",))

    def __init__(
        self,
        *,
        compare: Literal[
            "distance_correlation", "unbiased_distance_correlation", "cosine"
        ] = "distance_correlation",
        stages: Literal["final", "all"] = "final",
        kd_share: float = 0.0,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        if compare not in _FEWEST_CLIPS:
            raise InputError(
                f"method.compare must be one of {', '.join(_FEWEST_CLIPS)}, got {compare}."
            )
        if stages not in ("final", "all"):
            raise InputError(f"method.stages must be final or all, got {stages}.")
        if not 0 <= kd_share <= 1:
            raise InputError(f"method.kd_share must be in [0, 1], got {kd_share:g}.")
        if self.teacher_weight == 1 and kd_share == 0:
            raise InputError(
                "method.teacher_weight=1 leaves nothing that trains the classifier; set it below 1."
            )
        self.compare = compare
        self.stages = stages
        self.kd_share = kd_share

    @property
    def distils(self) -> bool:
        """Whether distillation is part of `teacher_loss`."""
        return self.kd_share > 0

    def teacher_loss(self, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return the student's logits, (B, C), and the loss against the teacher."""
        logits, stages = self.classifier.with_stages(batch)
        relations = self.relations(stages if self.stages == "all" else stages[-1:], batch)
        if not self.distils:
            return logits, relations, {}
        kd = self.distillation(logits, batch)
        teacher_loss = self.kd_share * kd + (1 - self.kd_share) * relations
        return logits, teacher_loss, {"kd_loss": kd, "relations_loss": relations}

    def relations(self, stages: list[Tensor], batch: Batch) -> Tensor:
        """Compare features of clips, (B, D_s) of each stage, with the teacher's embeddings.

        Returns:
            A scalar, the mean over stages; 0 if too few clips have an embedding.
        """
        assert batch.teacher is not None
        masks = [] if batch.teacher_mask is None else [batch.teacher_mask]
        teacher, *rest = gathered(batch.teacher.detach(), *(h.float() for h in stages), *masks)
        features = rest[: len(stages)]
        known = rest[-1] if masks else None
        losses = [self._difference(h, teacher, known) for h in features]
        return torch.stack(losses).mean()

    def _difference(self, features: Tensor, teacher: Tensor, known: Tensor | None) -> Tensor:
        if self.compare == "cosine":
            return cosine_difference_loss(features, teacher, known)
        unbiased = self.compare == "unbiased_distance_correlation"
        return distance_correlation_loss(features, teacher, unbiased, known)
