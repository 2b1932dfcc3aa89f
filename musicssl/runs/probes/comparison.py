"""Is an encoder better than what it is compared with? Paired over the same test clips."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.documents import write_json
from musicssl.errors import InputError
from musicssl.evaluation.statistics.bootstrap import replicates
from musicssl.evaluation.statistics.paired import compare
from musicssl.evaluation.tasks import task_named
from musicssl.runs.probes.folder import ProbeFolder
from musicssl.runs.probes.results import draw_curve

_TRUTH = ("clip_ids", "targets", "mask", "groups", "credit")


def compare_with(folder: ProbeFolder, baselines: Sequence[ProbeFolder]) -> None:
    """Compare a complete probe with baselines, unless that was done; note it and draw the curves.

    Args:
        folder: Folder of the probe.
        baselines: Complete probes of the same kind on the same clips.

    Raises:
        InputError: If one was tested on other clips.
    """
    document, others = folder.document(), [baseline.document() for baseline in baselines]
    names = [other["made_of"] for other in others]
    if document["compared_with"] == names:
        return
    rows = [row for baseline in baselines for row in against(folder, document, baseline)]
    draw_curve(folder, document, others)
    write_json(folder.metrics, document | {"compared_with": names, "against": rows})


def against(
    folder: ProbeFolder, document: Mapping[str, Any], baseline: ProbeFolder
) -> list[dict[str, Any]]:
    """Compare a probe with another one at each fraction of labels that both have.

    The mean over the draws of the one less that of the other, by the metric that is usual for the
    task; see `musicssl.evaluation.statistics.paired` for interval and p value.

    Args:
        folder: Folder of the probe, with its predictions.
        document: Its results.
        baseline: Folder of the other probe, which is complete.

    Raises:
        InputError: If the two were not tested on the same clips.
    """
    other, metric = baseline.document(), document["metric"]
    mine, theirs = _replicates(folder, metric), _replicates(baseline, metric, like=folder)
    shared = {cell["p_s"]: cell["mean"][metric] for cell in other["cells"]}
    rows = []
    for cell in document["cells"]:
        p_s = cell["p_s"]
        if p_s not in shared:
            continue
        a, b = (
            _mean(drawn, one["fits"], p_s) for drawn, one in ((mine, document), (theirs, other))
        )
        result = compare(a, b, cell["mean"][metric], shared[p_s])
        rows.append(
            {
                "with": other["source"]["label"],
                "p_s": p_s,
                "difference": result.difference,
                "interval": [result.low, result.high],
                "p": result.p,
                "p_is_bound": result.p_is_bound,
            }
        )
    return rows


def _mean(
    drawn: NDArray[np.float64], fits: list[dict[str, Any]], p_s: float
) -> NDArray[np.float64]:
    """Average replicates, (K, B), over the draws at one fraction, (B,)."""
    mean: NDArray[np.float64] = drawn[[fit["p_s"] == p_s for fit in fits]].mean(axis=0)
    return mean


def _alike(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def _replicates(
    folder: ProbeFolder, metric: str, like: ProbeFolder | None = None
) -> NDArray[np.float64]:
    with np.load(folder.predictions) as arrays:
        known = dict(arrays)
    if like is not None:
        with np.load(like.predictions) as arrays:
            same = all(_alike(arrays.get(key), known.get(key)) for key in _TRUTH)
        if not same:
            raise InputError(
                f"{folder.path} was tested on other clips than {like.path}; probe both again with "
                "overwrite=true."
            )
    scores, targets, mask = (torch.from_numpy(known[k]) for k in ("scores", "targets", "mask"))
    task, groups, credit = task_named(str(known["task"])), known.get("groups"), known.get("credit")
    drawn = replicates(scores, targets, mask, task, [metric], groups=groups, credit=credit)
    return drawn[metric]
