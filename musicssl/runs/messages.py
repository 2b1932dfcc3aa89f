"""What is printed around training: what is about to be trained, and how it went."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Timer

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.label_count import count_labels
from musicssl.evaluation.metrics import metric_info
from musicssl.methods.base.method import Method
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.history import read_history
from musicssl.runs.patience import Patience
from musicssl.runs.resume import LAST

_STANDARD_ERRORS = 2  # from 0.5 within which an AUROC is called chance
_FEWEST_EPOCHS = 5  # that are enough for a warning
_FLAT = 0.01  # fraction by which a loss has to fall
_SCORES = ("val/auroc", "val/r2")
_RISING_WEIGHTS = ("train/weight", "train/capacity")  # of a part of the loss, from 0 up
_STILL_RISING = 0.01  # of a score, from the best before the last fifth of training
_GROWN = 2.0  # ratio of consistency losses
_FALLEN = 0.05  # of the student's AUROC, from its best


def describe_data(datamodule: SemiSupervisedDataModule) -> str:
    """Say how many clips are trained on, validated and tested, and how many have labels."""
    text = str(count_labels(datamodule))
    parts = []
    for split, name in (("val", "validation"), ("test", "test")):
        labelled = int(datamodule.labels(split)[1].any(dim=1).sum())
        parts.append(f"{name} {len(datamodule.rows(split)):,} clips, {labelled:,} with labels")
    text += f"\n{'; '.join(parts).capitalize()}."
    clips, size = len(datamodule.training_rows()), datamodule.batch_size
    if size > clips:
        text += (
            f"\nA batch of {size:,} clips is larger than the {clips:,} training clips, which it "
            "repeats; a smaller data.batch_size trains more steps."
        )
    return text


def describe_training(
    name: str, method: pl.LightningModule, trainer: pl.Trainer, steps: int
) -> str:
    """Describe what is trained, where, and for how long.

    Args:
        name: Name of the run.
        method: To be trained.
        trainer: Trainer that trains it.
        steps: Batches in an epoch, limits of the trainer left aside.
    """
    trained = sum(p.numel() for p in method.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in method.parameters() if not p.requires_grad)
    limit = trainer.limit_train_batches
    if limit is not None:
        steps = int(steps * limit) if isinstance(limit, float) else min(steps, limit)
    devices = str(trainer.strategy.root_device)
    if trainer.world_size > 1:
        devices = f"{trainer.world_size} devices ({trainer.strategy.root_device.type})"
    text = f"{name}: {trained:,} parameters"
    text += f" to train and {frozen:,} frozen" if frozen else ""
    last = planned_epochs(trainer, steps) - 1
    precision = "" if trainer.precision == "32-true" else f" in {trainer.precision}"
    text += f", on {devices}{precision}; {steps:,} steps an epoch, epochs 0 to {last}."
    if trainer.accumulate_grad_batches > steps:
        text += (
            f"\ntrainer.accumulate_grad_batches={trainer.accumulate_grad_batches} is more than the "
            f"{steps} batches of an epoch, so that weights change once an epoch; lower it."
        )
    return text


def describe_shares(method: Method, labelled: int) -> str | None:
    """Say what share a logistic regression has in the predictions; None if there is none.

    Args:
        method: Method of the run.
        labelled: Number of labelled training clips.
    """
    part = method.classifier.regression
    if part is None or not method.task.has_classes or labelled == 0:
        return None
    share = part.share_with(labelled)
    return (
        f"Logistic regression of {labelled:,} clips has {share:.2f} of each prediction, and the "
        f"network {1 - share:.2f} (pooling.regression)."
    )


def planned_epochs(trainer: pl.Trainer, batches: float) -> int:
    """Return the number of epochs that a run trains for, if nothing stops it before.

    Args:
        trainer: Trainer of the run.
        batches: Batches in an epoch.
    """
    steps = math.ceil(batches / trainer.accumulate_grad_batches)
    limits = [math.ceil(trainer.max_steps / steps)] if trainer.max_steps > 0 else []
    if trainer.max_epochs is not None and trainer.max_epochs > 0:
        limits.append(trainer.max_epochs)
    return min(limits, default=1)


def describe_best(path: Path, history: Path, select: str) -> str:
    """Say which epoch was kept and why.

    Args:
        path: Path of its checkpoint.
        history: The CSV file of all epochs.
        select: Name of the metric that chose it, or "last".
    """
    best, rows = Checkpoint.read(path).epoch, read_history(history)
    last = int(rows[-1]["epoch"])
    if select == LAST:
        return f"Kept epoch {best} of 0 to {last}, the last one."
    which = "least" if metric_info(select).smaller_is_better else "greatest"
    row = next((row for row in rows if row["epoch"] == best), {})
    text = f"Kept epoch {best} of 0 to {last}: its {select} is the {which}"
    return text + (f", {row[select]:.3f}." if select in row else ".")


def describe_course(history: Path, longer: str) -> list[str]:
    """Return a sentence for each fault of a training that its history shows, with what to try.

    Args:
        history: The CSV file of all epochs.
        longer: The setting that makes the run twice as long, such as "trainer.max_steps=8000".
    """
    rows = read_history(history)
    if len(rows) < _FEWEST_EPOCHS:
        return []
    remarks = []
    weighed = any(name in rows[0] for name in _RISING_WEIGHTS)
    loss = "train/reconstruction" if weighed else "train/loss"
    first, last = rows[0].get(loss, math.nan), rows[-1].get(loss, math.nan)
    if first > 0 and last > (1 - _FLAT) * first:
        remarks.append(
            f"The training loss has not fallen, {first:.3f} at first and {last:.3f} at last: try "
            "another optimizer.lr, and look whether the features of the clips differ."
        )
    score = next((name for name in _SCORES if _validated(rows, name)), None)
    if score is not None:
        early, late = np.array_split(_validated(rows, score), [-max(1, len(rows) // 5)])
        if len(early) and late.max() > early.max() + _STILL_RISING:
            remarks.append(
                f"Validation was still getting better when training ended ({score} "
                f"{early.max():.3f}, then {late.max():.3f} in the last fifth): train longer, such "
                f"as with {longer}."
            )
    student = _validated(rows, "val/student_auroc")
    consistency = [row.get("train/consistency_loss", 0.0) for row in rows]
    grown = consistency[-1] > _GROWN * max(consistency[1], 1e-9)
    if student and grown and max(student) - student[-1] > _FALLEN:
        remarks.append(
            f"The student fell from a val/student_auroc of {max(student):.3f} to {student[-1]:.3f} "
            "while the consistency loss grew: try a smaller method.consistency_weight, or a longer "
            "method.ramp.epochs."
        )
    return remarks


def _validated(rows: Sequence[Mapping[str, float]], name: str) -> list[float]:
    """Return the values of a metric in the epochs that were validated."""
    return [row[name] for row in rows if not math.isnan(row.get(name, math.nan))]


def describe_stop(trainer: pl.Trainer) -> str | None:
    """Return the setting that ended training before its last epoch; None if nothing did.

    Args:
        trainer: After training.
    """
    done = trainer.fit_loop.epoch_progress.current.completed
    if done >= planned_epochs(trainer, trainer.num_training_batches) and not _cut(trainer):
        return None
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    patience = next((c for c in callbacks if isinstance(c, Patience)), None)
    if patience is not None and patience.is_over:
        return f"patience={patience.patience}"
    timer = next((c for c in callbacks if isinstance(c, Timer)), None)
    if timer is not None and (timer.time_remaining() or 0) <= 0:
        return "trainer.max_time"
    if 0 < trainer.max_steps <= trainer.global_step:
        return f"trainer.max_steps={trainer.max_steps}"
    return "a callback of trainer.callbacks"


def _cut(trainer: pl.Trainer) -> bool:
    return trainer.fit_loop.epoch_loop.batch_idx + 1 < trainer.num_training_batches


def describe_validation(scores: NDArray[np.float32], validated: Mapping[str, Any]) -> str | None:
    """Say that nothing was learnt, if validation shows it; None otherwise.

    Args:
        scores: Scores of the validation clips, (N, C).
        validated: Their metrics: `macro` by name, and by class in `per_class`.

    Returns:
        One sentence with what to try, if all clips have the same scores, or the mean AUROC is not
        defined, or within two standard errors of 0.5. The error of a class is that of the
        Mann-Whitney statistic under the null hypothesis, (P + N + 1) / (12 P N) for P positives and
        N negatives; classes count as independent.
    """
    if len(scores) > 1 and float(np.ptp(scores, axis=0).max()) < 1e-6:
        return (
            "All validation clips have the same scores: nothing was learnt. Try another "
            "optimizer.lr, or look whether the features of the clips differ."
        )
    by_class, auroc = validated["per_class"], validated["macro"].get("auroc")
    if auroc is None:
        return None
    if math.isnan(auroc):
        return (
            "The validation AUROC is not defined: no class has validation clips with it and "
            "validation clips without it; label more of them."
        )
    present = np.asarray(by_class["positives"], float)
    absent = np.asarray(by_class["observed"], float) - present
    known = (present > 0) & (absent > 0)
    present, absent = present[known], absent[known]
    variance = (present + absent + 1) / (12 * present * absent)
    margin = _STANDARD_ERRORS * math.sqrt(variance.sum()) / len(variance)
    if abs(auroc - 0.5) > margin:
        return None
    return (
        f"The validation AUROC of {auroc:.3f} is within chance, 0.5 \N{PLUS-MINUS SIGN} "
        f"{margin:.3f}: train longer (trainer.max_steps), try another optimizer.lr, or use more "
        "labels (data.p_s)."
    )
