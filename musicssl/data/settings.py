"""The settings of a data module, and their checks before a corpus is read."""

from typing import Protocol

from musicssl.data.batches import labelled_share
from musicssl.data.corpus import Dataset
from musicssl.data.missing_labels import check_missing
from musicssl.data.resident import check_resident
from musicssl.data.splits import check_cells, check_share
from musicssl.data.validation import check_validation
from musicssl.errors import InputError


class DataSettings(Protocol):
    """The settings that decide which clips and labels a run learns from.

    See `musicssl.data.datamodule.SemiSupervisedDataModule`, which has them.
    """

    p_s: float
    b_s: float | None
    u_s: float
    batch_size: int
    p_cells: float
    stratified: bool
    val_fraction: float
    val_by: str
    val_list: str | None
    val_labels: float | None
    missing: str
    drop_labels: float
    split_seed: int
    seed: int
    disjoint: bool
    epoch_of: str
    crop_seconds: float | None
    unlabelled: Dataset | None
    resident: bool | str

    def crops_of(self, compared: int) -> int:
        """Return the crops of each clip in a batch of a method that compares so many."""


def check_settings(data: DataSettings, num_crops: int | None, steps_per_epoch: int | None) -> None:
    """Check settings that no corpus can be served with, or that have no effect.

    Args:
        data: The settings.
        num_crops: As it was given.
        steps_per_epoch: As it was given.

    Raises:
        InputError: If a setting is of the wrong kind, out of range, or without effect beside the
            others.
    """
    b_s = data.b_s
    _check_numbers(p_s=data.p_s, u_s=data.u_s, b_s=0 if b_s is None else b_s, p_cells=data.p_cells)
    check_share("p_s", data.p_s)
    check_share("u_s", data.u_s)
    check_cells(data.p_cells)
    if data.crop_seconds is not None:
        _check_numbers(crop_seconds=data.crop_seconds)
        if not data.crop_seconds > 0:
            raise InputError(f"data.crop_seconds must be positive, got {data.crop_seconds:g}.")
    if data.val_labels is not None:
        _check_numbers(val_labels=data.val_labels)
    check_validation(data.val_by, data.val_list)
    check_missing(data.missing, data.drop_labels, data.val_by)
    check_resident(data.resident)
    _check_counts(data.batch_size, num_crops, steps_per_epoch)
    only_labelled = b_s is not None and labelled_share(b_s, data.batch_size) == data.batch_size
    if data.unlabelled is not None and (b_s is None or only_labelled):
        raise InputError(
            f"no clip of unlabelled=... is drawn with data.b_s={as_typed(b_s)}; lower "
            "data.b_s, and choose a method that learns from unlabelled clips."
        )
    if data.u_s != 1 and only_labelled:
        raise InputError(
            f"data.u_s={data.u_s:g} chooses unlabelled clips, and data.b_s={b_s:g} draws none; "
            "lower data.b_s, and choose a method that learns from unlabelled clips."
        )
    _check_epoch(data.epoch_of, steps_per_epoch)
    asked = "data.disjoint=true" if data.disjoint else f"data.epoch_of={data.epoch_of}"
    if (data.disjoint or data.epoch_of == "unlabelled") and (b_s is None or only_labelled):
        raise InputError(
            f"{asked} is about unlabelled batches, and data.b_s={as_typed(b_s)} draws "
            "none; set data.b_s below 1, such as data.b_s=0.5, or leave it out."
        )


def _check_numbers(**settings: object) -> None:
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"data.{name} must be a number, got {value!r}.")


def _check_counts(batch_size: int, num_crops: int | None, steps_per_epoch: int | None) -> None:
    if not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"data.batch_size must be a whole number from 1 up, got {batch_size}.")
    for name, count in (("num_crops", num_crops), ("steps_per_epoch", steps_per_epoch)):
        whole = isinstance(count, int) and not isinstance(count, bool)
        if count is not None and (not whole or count < 1):
            raise InputError(f"data.{name} must be a whole number from 1 up, got {count}.")


def _check_epoch(epoch_of: str, steps_per_epoch: int | None) -> None:
    if epoch_of not in ("train", "labelled", "unlabelled", "crops"):
        raise InputError(
            f"data.epoch_of must be train, labelled, unlabelled or crops, got {epoch_of}."
        )
    if epoch_of != "train" and steps_per_epoch is not None:
        raise InputError(
            f"data.epoch_of={epoch_of} has no effect beside data.steps_per_epoch="
            f"{steps_per_epoch}; set data.steps_per_epoch=null, or trainer.max_epochs, "
            "or leave it out."
        )


def as_typed(b_s: float | None) -> str:
    """Return `b_s` as it is typed on the command line."""
    return "null" if b_s is None else f"{b_s:g}"
