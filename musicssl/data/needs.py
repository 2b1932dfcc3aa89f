"""A method's requirements of its training batches, and whether the data meet them."""

from dataclasses import dataclass

from musicssl.data.corpus import Corpus
from musicssl.data.outline import Outline
from musicssl.data.settings import DataSettings, as_typed
from musicssl.data.teacher import Teacher
from musicssl.data.validation import BY_LABELS
from musicssl.errors import InputError

_TEACHERS = {"embeddings": "teacher_embeddings", "logits": "finetune.teacher"}  # who gives what


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
        tokens: Whether clips may also be rows of tokens.
    """

    labels: bool = True
    only_labelled: bool = False
    by_label: bool = False
    activity: bool = False
    crops: int = 1
    teacher: tuple[str, ...] = ()
    tokens: bool = False


def check_needs(needs: Needs, data: DataSettings) -> None:
    """Check that the settings of a data module meet the requirements of a method.

    Args:
        needs: Requirements of the method.
        data: The settings.

    Raises:
        InputError: If they do not; the message names the setting to change.
    """
    b_s = as_typed(data.b_s)
    if needs.by_label and not data.b_s:
        raise InputError(
            "this method draws labelled and unlabelled clips for each label separately, which "
            f"data.b_s={b_s} does not allow; set it above 0, such as data.b_s=0.5."
        )
    if needs.by_label and (data.disjoint or data.epoch_of != "train"):
        setting = "data.disjoint" if data.disjoint else "data.epoch_of"
        raise InputError(
            "this method draws batches for each label separately, from labelled clips and from "
            f"all others, on which {setting} has no effect; leave it out."
        )
    crops = data.crops_of(needs.crops)
    if needs.by_label and crops > 1:
        raise InputError(
            "this method draws batches for each label separately, on which data.num_crops="
            f"{crops} has no effect; leave it out."
        )
    if needs.labels and data.b_s == 0:
        raise InputError("data.b_s=0 hides the labels that this method needs; raise it.")
    if data.val_by == BY_LABELS and not needs.by_label and needs.labels:
        raise InputError(
            "data.val_by=labels is for methods that learn each label by itself, such as "
            "method=dgm; leave it out."
        )
    if needs.only_labelled and data.b_s != 1:
        raise InputError(
            f"this method learns only from labelled clips, but data.b_s={b_s} draws others; "
            "set data.b_s=1."
        )
    if crops < needs.crops:
        raise InputError(
            f"this method compares crops of a clip, but data.num_crops={crops}; set "
            f"it to {needs.crops}."
        )


def check_corpus_for(needs: Needs, corpus: Corpus | Outline) -> None:
    """Check that a corpus, or what is known of it so far, meets the requirements of a method.

    Raises:
        InputError: If its task is another, it has no labels in time, or it has tokens.
    """
    if corpus.is_tokens and not needs.tokens:
        raise InputError(
            f"dataset={corpus.name} has tokens, where this method reads features or sound; choose "
            "a method that reads tokens, such as method=beta_vae or method=ar_vae."
        )
    if needs.by_label and corpus.task == "regression":
        raise InputError(
            f"this method draws batches for each class, but {corpus.name} is a regression; "
            "choose another method."
        )
    if needs.activity and not corpus.has_activity:
        raise InputError(
            f"{corpus.name} has no labels in time, which this method needs; choose another "
            "method, or a corpus that has them: synthband, or medleydb with "
            "dataset.what=mixes and dataset.activity."
        )


def check_teacher(needs: Needs, teacher: Teacher | None) -> None:
    """Check that there is a teacher if a method learns from one, and that it gives what is needed.

    Raises:
        InputError: If there is none, or it gives something else.
    """
    kinds = needs.teacher
    said = " or ".join(f"{_TEACHERS[kind]}=FILE" for kind in kinds)
    if kinds and teacher is None:
        raise InputError(
            "this method learns from a teacher; name a checkpoint, or a file of its "
            f"{' or '.join(kinds)}, with {said}."
        )
    if teacher is not None and kinds and teacher.kind not in kinds:
        raise InputError(
            f"this method learns from {' or '.join(kinds)}, but {teacher.name} gives "
            f"{teacher.kind}; name a checkpoint or a file with {said}."
        )
