"""A method's requirements of its training batches."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Needs:
    """Requirements of a method, which the data module fulfils or refuses.

    Attributes:
        labels: Whether batches must have labels; the method learns nothing without them.
        only_labelled: Whether all clips of a batch must be labelled.
        by_label: Whether batches are drawn for each label separately and hold the rows of clips
            only; see `musicssl.data.label_batches`.
        activity: Whether batches hold labels in time: which class sounds in which instance.
        teacher: Which of "embeddings" and "logits" of a teacher the method learns from; empty if it
            has no teacher. See `musicssl.data.teacher`.
        crops: Crops of each clip that the method compares; 1 if it compares none.
    """

    labels: bool = True
    only_labelled: bool = False
    by_label: bool = False
    activity: bool = False
    crops: int = 1
    teacher: tuple[str, ...] = ()
