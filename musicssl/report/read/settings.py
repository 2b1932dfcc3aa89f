"""What of a run's settings tells it from another run, and how to name the difference briefly."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from musicssl.runs.settings import as_before, flattened, has_bearing, value_text, without_budget

Settings = Mapping[str, str]  # leaves by path, `a.b.c`

ABSENT = "null"
_OTHER_RUNS = ("continue_from", "finetune.checkpoint", "finetune.teacher", "teacher_embeddings")
_OF_THE_CURVE = ("seed", "method.seed", "data.seed", "data.p_s")  # what a curve goes through


def relevant_settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Flatten a configuration to the leaves with a bearing on results, but for seed and p_s.

    Values become text, in which 1 and 1.0 are the same. The folder of the run that a fine-tuning
    starts from, or that teaches, names its own seed and p_s, and keeps neither.

    >>> relevant_settings({"seed": 3, "threads": 1, "data": {"p_s": 0.1, "b_s": 1.0, "root": None}})
    {'data.b_s': '1', 'data.root': 'null'}
    """
    leaves = {
        key: value_text(as_before(key, value))
        for key, value in flattened(config).items()
        if key not in _OF_THE_CURVE and has_bearing(key)
    }
    for key in _OTHER_RUNS:
        if leaves.get(key, ABSENT) != ABSENT:
            leaves[key] = without_budget(leaves[key], config["data"]["p_s"], config["seed"])
    return leaves


def differing(settings: Sequence[Settings]) -> list[str]:
    """List the leaves on which settings differ, one path for those that repeat each other.

    Configurations say much of it twice, as `encoder.dropout` and `method.encoder.dropout`; the
    shorter path stays.
    """
    keys = sorted({key for one in settings for key in one}, key=lambda key: (key.count("."), key))
    columns: dict[tuple[str, ...], str] = {}
    for key in keys:
        column = tuple(one.get(key, ABSENT) for one in settings)
        if len(set(column)) > 1:
            columns.setdefault(column, key)
    return list(columns.values())


def telling(settings: Sequence[Settings]) -> list[str]:
    """Write for each of some settings the shortest list that tells it from the others.

    >>> telling([{"a": "1", "b": "2", "c": "0"}, {"a": "1", "b": "3", "c": "0"}])
    ['b=2', 'b=3']
    """
    keys = differing(settings)
    for size in range(1, len(keys)):
        for chosen in combinations(keys, size):
            texts = [_text(one, chosen) for one in settings]
            if len(set(texts)) == len(texts):
                return texts
    return [_text(one, keys) for one in settings]


def _text(settings: Settings, keys: Sequence[str]) -> str:
    return ", ".join(_setting(key, settings.get(key, ABSENT)) for key in keys)


def _setting(key: str, value: str) -> str:
    if key.endswith("._target_"):
        return f"{key.removesuffix('._target_')}={value.rpartition('.')[2]}"
    return f"{key}={value}"
