"""Which training clips, or which of their labels, validate if a corpus has no validation split."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import Corpus
from musicssl.data.splits import Rows, carve_validation, strata
from musicssl.errors import InputError
from musicssl.limits import DAMAGE, check_arrays

BY_CLIPS, BY_LABELS = "clips", "labels"


def check_validation(val_by: str, val_list: str | Path | None) -> None:
    """Refuse settings of the validation set that do not exist, or contradict each other.

    Raises:
        InputError: If they do.
    """
    if val_by not in (BY_CLIPS, BY_LABELS):
        raise InputError(f"data.val_by must be {BY_CLIPS} or {BY_LABELS}, got {val_by}.")
    if val_list is not None and val_by == BY_LABELS:
        raise InputError(
            "data.val_list names whole clips, and data.val_by=labels holds out single labels; "
            "leave one of them out."
        )


def check_validation_in(corpus: Corpus, val_by: str, val_list: str | Path | None) -> None:
    """Refuse settings that a corpus does not allow.

    Raises:
        InputError: If the corpus has validation clips, or one class for each clip.
    """
    asked = "data.val_by=labels" if val_by == BY_LABELS else f"data.val_list={val_list}"
    if (val_by == BY_LABELS or val_list is not None) and len(corpus.indices("val")):
        raise InputError(
            f"{asked} chooses what validates, but {corpus.name} has a validation split; leave it "
            "out."
        )
    if val_by == BY_LABELS and corpus.task == "multi_class":
        raise InputError(
            f"data.val_by=labels holds out single labels, but each clip of {corpus.name} has one "
            "class; leave it out."
        )


def carve_clips(corpus: Corpus, train: Rows, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Divide the training clips into training and validation clips, without dividing a group.

    Only labelled clips are used for validation; unlabelled clips of their groups are left out.

    Args:
        corpus: The corpus.
        train: Its training clips, (N,).
        fraction: See `carve_validation`.
        seed: See `carve_validation`.
    """
    labelled = train[corpus.mask[train].any(axis=1)]
    present = strata(corpus.y[labelled], corpus.mask[labelled], corpus.task)
    groups = None if corpus.groups is None else corpus.groups[labelled]
    _, val = carve_validation(labelled, fraction, seed, present, groups)
    rest = np.setdiff1d(train, val)
    if corpus.groups is not None:
        rest = rest[~np.isin(corpus.groups[rest], corpus.groups[val])]
    return rest, val


def carve_labels(
    corpus: Corpus, train: Rows, mask: NDArray[np.bool_], fraction: float, seed: int
) -> NDArray[np.bool_]:
    """Choose for each class the labels that validate, from the clips in which it was observed.

    As in chapter 4 of Gururani's thesis, where each instrument has 15 % of its own labelled clips
    for validation. A clip can validate one class and train another. For each class the clips are
    divided as in `carve_clips`, so that no group is on both sides; the thesis draws them at random.

    Args:
        corpus: The corpus.
        train: Its training clips, (N,).
        mask: True where a label of these clips was observed, (N, C).
        fraction: Fraction of the observed labels of each class.
        seed: Seed of the draws; each class has one of its own.

    Returns:
        True where a label validates, (N, C): a subset of `mask`.

    Raises:
        InputError: If the labels of a class cannot be divided.
    """
    held_out = np.zeros_like(mask)
    for c, name in enumerate(corpus.classes):
        observed = np.flatnonzero(mask[:, c])
        if len(observed) == 0:
            continue
        present = strata(
            corpus.y[train[observed], c : c + 1], mask[observed, c : c + 1], corpus.task
        )
        groups = None if corpus.groups is None else corpus.groups[train[observed]]
        class_seed = int(np.random.SeedSequence((seed, c)).generate_state(1)[0])
        try:
            _, chosen = carve_validation(observed, fraction, class_seed, present, groups)
        except InputError as error:
            raise InputError(f"data.val_by=labels, class {name}: {error}") from error
        held_out[chosen, c] = True
    return held_out


def check_list(file: str | Path) -> None:
    """Check that the file that names the validation clips is there.

    Raises:
        InputError: If not.
    """
    if not Path(file).is_file():
        raise InputError(f"data.val_list={file}: there is no such file.")


def listed_clips(corpus: Corpus, train: Rows, file: str | Path) -> tuple[Rows, Rows]:
    """Divide the training clips by a file that names the validation clips.

    Args:
        corpus: The corpus.
        train: Its training clips, (N,).
        file: Text with the id of a clip on each line; or an archive of NumPy whose array "val" has
            the positions of the validation clips among the training clips, sorted by id, from 0.
            AttentionMIC's fixed split of OpenMIC, `data/train_val.split` in
            https://github.com/SiddGururani/AttentionMIC, is such an archive, with 2,237 of them.

    Returns:
        The training clips and the validation clips, each ascending.

    Raises:
        InputError: If the file cannot be read, or names clips that are not among them.
    """
    check_list(file)
    path = Path(file)
    ids = corpus.clip_ids[train]
    chosen = _positions(path, ids) if zipfile.is_zipfile(path) else _named(path, ids)
    val = np.sort(train[chosen])
    if not 0 < len(val) < len(train):
        raise InputError(
            f"data.val_list={file} names {len(val):,} of {len(train):,} training clips; some must "
            "validate, and some must train."
        )
    return np.setdiff1d(train, val), val


def _named(path: Path, ids: NDArray[np.str_]) -> Rows:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(
            f"data.val_list={path} is neither text nor an archive of NumPy; name the validation "
            "clips in a text file, one id a line."
        ) from error
    named = sorted({line.strip() for line in lines if line.strip()})
    unknown = sorted(set(named) - set(ids.tolist()))
    if unknown:
        raise InputError(
            f"data.val_list={path}: {unknown[0]!r} is no training clip of this corpus "
            f"({len(unknown):,} of {len(named):,} lines are not); its clips are named like "
            f"{ids[0]!r}."
        )
    return np.flatnonzero(np.isin(ids, named))


def _positions(path: Path, ids: NDArray[np.str_]) -> Rows:
    try:
        check_arrays(path, ["val"])
        with np.load(path, allow_pickle=False) as archive:
            positions = np.unique(archive["val"])
    except DAMAGE as error:
        raise InputError(
            f"data.val_list={path}: the archive has no array 'val' of whole numbers."
        ) from error
    if positions.dtype.kind not in "iu":  # durations count as integers otherwise
        raise InputError(f"data.val_list={path}: 'val' must hold whole numbers.")
    if positions.size and not 0 <= positions[0] <= positions[-1] < len(ids):
        raise InputError(
            f"data.val_list={path}: 'val' has positions up to {positions[-1]:,}, but the corpus "
            f"has {len(ids):,} training clips."
        )
    chosen: Rows = np.argsort(ids)[positions]
    return chosen
