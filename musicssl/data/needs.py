"""What a method needs of the batches that it is trained on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Needs:
    """What a method tells the data module about the batches that it is trained on.

    Attributes:
        labels: Whether it learns nothing from batches without labels.
        only_labelled: Whether all clips of a batch must be labelled.
        by_label: Whether batches are drawn for each label separately and hold the rows of clips
            only; see `musicssl.data.label_batches`.
        activity: Whether batches say which class sounds in which instance.
        crops: Crops of each clip that it compares; 1 if it compares none.
    """

    labels: bool = True
    only_labelled: bool = False
    by_label: bool = False
    activity: bool = False
    crops: int = 1
