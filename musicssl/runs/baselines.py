"""Simple baselines beside a run: what a classifier without a network reaches on the same clips.

They are fitted to the training clips and labels of the run and measured on its test clips, so that
each run says whether a network is worth it. Their scores are in the cache, under a name that
depends on all their inputs: runs of other methods on the same clips and labels find them.
"""

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from musicssl.cache import build_checked, file_identity
from musicssl.data.clip_features import Kind, clip_features, has_sound
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.documents import null_to_nan, read_json, write_json
from musicssl.errors import InputError
from musicssl.evaluation.chance import chance
from musicssl.evaluation.metrics import metric_info, primary_metric
from musicssl.evaluation.statistics.bootstrap import interval, replicates, resampled_metrics
from musicssl.evaluation.tasks import task_named
from musicssl.limits import DAMAGE, check_arrays
from musicssl.methods.baseline import Baseline
from musicssl.runs.folder import RunFolder

_VERSION = 1  # of the scores; part of the names of caches
_MANY_CELLS = 20_000  # labels from which on fitting takes seconds
_RESAMPLES, _FEWEST_RESAMPLES = 1000, 200
_MOST_RESAMPLED = 2e8  # cells of all resamples

Document = dict[str, Any]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SimpleBaseline:
    """Logistic regression on one kind of features, as `method=baseline baseline=NAME` has it.

    Attributes:
        name: Option of `baseline`.
        title: Name in tables.
        features: See `musicssl.data.clip_features.clip_features`.
    """

    name: str
    title: str
    features: Kind


OF_SOUND = (
    SimpleBaseline("mfcc_lr", "MFCC + logistic regression", "mfcc"),
    SimpleBaseline("log_mel_lr", "log-mel statistics + logistic regression", "log_mel"),
)
OF_INSTANCES = (
    SimpleBaseline("instances_lr", "instance statistics + logistic regression", "instances"),
)


def logistic_regression() -> LogisticRegression:
    """Return the classifier of conf/baseline/mfcc_lr.yaml."""
    return LogisticRegression(C=1.0, max_iter=1000)


def has_baselines(datamodule: SemiSupervisedDataModule, own: str | None = None) -> bool:
    """Return whether there are baselines to compare a run with; see `write_baselines`."""
    try:
        return len(_chosen(datamodule, own)) > 0
    except InputError:
        return False


def write_baselines(
    folder: RunFolder, datamodule: SemiSupervisedDataModule, cache: Path, own: str | None = None
) -> None:
    """Measure simple baselines and chance on the test clips of a complete run; write them down.

    If there can be no baselines, what is written says why.

    Args:
        folder: Folder of the run.
        datamodule: Data module of the run.
        cache: Folder of derived data.
        own: Option of `baseline` if the run is one of them itself, which is left out.
    """
    corpus, task = datamodule.corpus, task_named(datamodule.corpus.task)
    train, test = datamodule.labels("train"), datamodule.labels("test")
    document: Document = {
        "predictions": file_identity(folder.predictions),
        "chance": chance(*train, *test, task, corpus.credit),
        "baselines": {},
        "own": own,
        "reason": None,
    }
    scores: dict[str, NDArray[np.float32]] = {}
    try:
        for one in _chosen(datamodule, own):
            scores[one.name] = _cached_scores(one, datamodule, cache)
            metrics = task.metrics(torch.from_numpy(scores[one.name]), *test).macro
            document["baselines"][one.name] = {"title": one.title, "macro": metrics}
        if scores:
            document |= _comparison(folder, datamodule, document["baselines"], scores)
    except InputError as error:
        document["reason"] = str(error)
    write_json(folder.baselines, document)


def read_baselines(folder: RunFolder) -> Document | None:
    """Read what `write_baselines` wrote for the present result of a run; None if there is nothing.

    A damaged file counts as nothing; a warning says so.
    """
    if not folder.baselines.is_file():
        return None
    try:
        document = read_json(folder.baselines)
        known = {"predictions", "chance", "baselines", "reason"} <= document.keys()
    except (OSError, ValueError):
        known = False
    if not known:
        _log.warning("%s is damaged, so the baselines are measured again.", folder.baselines)
        return None
    if not folder.predictions.is_file():
        return None
    return document if document["predictions"] == file_identity(folder.predictions) else None


def baseline_rows(document: Document) -> dict[str, dict[str, float]]:
    """Return the metrics of each baseline and of chance by title, for a table."""
    rows = {one["title"]: null_to_nan(one["macro"]) for one in document["baselines"].values()}
    return rows | {"chance": null_to_nan(document["chance"])}


def verdict(document: Document, name: str) -> str | None:
    """Say whether a run is ahead of the best simple baseline; None if nothing can be said.

    Args:
        document: See `write_baselines`.
        name: Name of the run.
    """
    if document["reason"] is not None:
        return f"No comparison with simple baselines: {document['reason']}"
    if document.get("difference") is None:
        return None
    difference, (low, high) = document["difference"], null_to_nan(document["interval"])
    title = document["baselines"][document["best"]]["title"]
    heading = metric_info(document["metric"]).heading
    best = f"the best {'other ' if document.get('own') else ''}simple baseline ({title})"
    size = f"{abs(difference):.3f} {heading}"
    known = "" if math.isnan(low) else f" (95 % interval {low:+.3f} to {high:+.3f})"
    if low > 0:
        return f"{name} is ahead of {best} by {size} on these test clips{known}."
    if high < 0:
        return (
            f"{name} is behind {best} by {size} on these test clips{known}: with this many labels "
            "the simple baseline is the better choice."
        )
    return (
        f"{name} and {best} cannot be told apart on these test clips: "
        f"the difference is {difference:+.3f} {heading}{known}."
    )


def _chosen(datamodule: SemiSupervisedDataModule, own: str | None) -> Sequence[SimpleBaseline]:
    """Return the baselines that there can be.

    Raises:
        InputError: If there is none.
    """
    corpus = datamodule.corpus
    if not task_named(corpus.task).has_classes:
        raise InputError(f"they classify, and the targets of {corpus.name} are a regression.")
    chosen = (OF_SOUND if has_sound(datamodule.dataset) else ()) + (
        OF_INSTANCES if not corpus.is_sound else ()
    )
    if not chosen:
        raise InputError(
            f"dataset={corpus.name} has no setting `features` with which MFCC could be computed."
        )
    return [one for one in chosen if one.name != own]


def _cached_scores(
    one: SimpleBaseline, datamodule: SemiSupervisedDataModule, cache: Path
) -> NDArray[np.float32]:
    """Return the scores of a baseline on the test clips, (N, C)."""
    x = clip_features(datamodule.dataset, datamodule.corpus, one.features)
    targets, mask = (part.numpy() for part in datamodule.labels("train"))
    labelled = mask.any(axis=1)
    train = x[datamodule.rows("train")][labelled]
    test = x[datamodule.rows("test")]
    data = (train, np.where(mask, targets, 0)[labelled], mask[labelled], test)

    def build(folder: Path) -> None:
        if mask.sum() >= _MANY_CELLS:
            print(f"Fitting {one.title} to {labelled.sum():,} clips, to compare with.")
        model = Baseline(
            num_features=x.shape[1],
            num_instances=1,
            num_classes=mask.shape[1],
            features=one.features,
            classifier=logistic_regression(),
            task=datamodule.corpus.task,
        )
        model.fit(*data[:3])
        np.save(folder / "scores.npy", model.predict(test).astype(np.float32))

    settings = f"{_VERSION} {one.name} {datamodule.corpus.task}"
    folder = build_checked(cache / f"baseline-{_fingerprint(settings, data)}", build)
    scores: NDArray[np.float32] = np.load(folder / "scores.npy")
    return scores


def _fingerprint(settings: str, arrays: Sequence[NDArray[Any]]) -> str:
    digest = hashlib.sha256(settings.encode())
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def _comparison(
    folder: RunFolder,
    datamodule: SemiSupervisedDataModule,
    baselines: Mapping[str, Any],
    scores: Mapping[str, NDArray[np.float32]],
) -> Document:
    """Compare the run with the best baseline by the metric that sums up a run.

    The interval is that of the paired bootstrap over test clips, or over their groups.
    """
    corpus, task = datamodule.corpus, task_named(datamodule.corpus.task)
    targets, mask = datamodule.labels("test")
    ours, our_odds = _scores_of(folder)
    if ours.shape != targets.shape:
        raise InputError(
            f"{folder.predictions} has scores of other clips or classes than there are."
        )
    macro = task.metrics(torch.from_numpy(ours), targets, mask, torch.from_numpy(our_odds)).macro
    metric = primary_metric([name for name in macro if name in resampled_metrics(task)])
    values = {name: one["macro"][metric] for name, one in baselines.items()}
    defined = {name: value for name, value in values.items() if not math.isnan(value)}
    if not defined or math.isnan(macro[metric]):
        return {}
    best = max(defined, key=lambda name: defined[name])
    rows = datamodule.rows("test")
    resampled = replicates(
        torch.from_numpy(np.stack([ours, scores[best]])),
        targets,
        mask,
        task,
        [metric],
        log_odds=torch.from_numpy(np.stack([our_odds, scores[best]])),
        groups=None if corpus.groups is None else corpus.groups[rows],
        credit=corpus.credit,
        resamples=int(np.clip(_MOST_RESAMPLED / ours.size, _FEWEST_RESAMPLES, _RESAMPLES)),
    )[metric]
    return {
        "metric": metric,
        "best": best,
        "difference": macro[metric] - defined[best],
        "interval": list(interval(resampled[0] - resampled[1])),
    }


def _scores_of(folder: RunFolder) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read the scores of the test clips, and what they are ranked by, (N, C) each.

    Raises:
        InputError: If the file is damaged.
    """
    try:
        check_arrays(folder.predictions)
        with folder.predictions.open("rb") as file, np.load(file) as stored:
            scores: NDArray[np.float32] = stored["scores"]
            return scores, stored.get("log_odds", scores)
    except DAMAGE as error:
        raise InputError(
            f"{folder.predictions} is damaged ({error}); set overwrite=true to train again."
        ) from error
