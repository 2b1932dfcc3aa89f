"""Settings of a run: which of them bear on its results, and how they are written in names.

A run is identified by the values of its settings, not by the words that were typed: `data.p_s=1`,
`data.p_s=1.0` and the default are one run.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from musicssl.documents import load_yaml

# The one list of settings without a bearing on results. A name stands for all settings below it.
NO_BEARING = (
    *("runs", "overwrite", "logger", "threads", "jobs", "device", "trusted"),  # how, not what
    "compile",  # the same, up to rounding
    *("sweep", "launcher", "experiment", "hydra"),
    "data.resident",  # where batches are gathered, not of what
    "trainer.max_time",  # what it stops is continued with a larger one
    *("corruption", "severities", "embedding_map"),  # tests after training, in files of their own
    "baselines",  # the same
    *("data._target_", "data.dataset", "data.unlabelled", "data.seed"),  # repeat others
    "datamodule",  # the same, in runs of 0.1.0
)
_NO_BEARING_ANYWHERE = ("cache", "num_workers")  # as the last part of a name
_PATHS = (
    *("root", "path", "file", "folder", "save", "labels", "lists", "metadata", "checkpoint"),
    "continue_from",
)
# Paths of what is heard, not of where a corpus lies: named by their files.
_NAMED_FILES = ("sound_fonts", "test_sound_fonts", "scores")
_OF_0_1 = {"features.statistics": ["mean"]}  # what was so before there was a setting
_LONGEST_LABEL = 120  # characters; file systems allow 255 bytes in a name
_HASH_DIGITS = 8
_LARGEST_CONFIG = 1 << 20  # bytes; a resolved configuration has some thousand


def load_settings(file: Path) -> dict[str, Any]:
    """Load the settings of a run or a probe from its config.yaml.

    A file from elsewhere may be made to fill the memory: aliases, with which a few lines stand for
    billions of values, and deep nesting are refused before anything is built. `settings_text`
    writes neither.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is not such a file.
    """
    with file.open("rb") as opened:
        content = opened.read(_LARGEST_CONFIG + 1)
    if len(content) > _LARGEST_CONFIG:
        raise ValueError(f"more than {_LARGEST_CONFIG:,} bytes")
    settings = load_yaml(content.decode())
    if not isinstance(settings, dict):
        raise ValueError("no sections of settings")
    from musicssl.runs.trust import check_plain  # imports torch, which --help does not need

    check_plain(settings, file)
    return settings


def settings_text(settings: Mapping[str, Any]) -> str:
    """Write settings as YAML, in their order and without aliases."""
    return yaml.dump(dict(settings), Dumper=_WithoutAliases, sort_keys=False)


class _WithoutAliases(yaml.SafeDumper):
    """Writes a section that occurs twice in full each time."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never refer to another place of the file."""
        return True


def has_bearing(key: str) -> bool:
    """Whether a setting can change the results of a run.

    Args:
        key: Its path, such as "encoder.dropout".
    """
    if key.rpartition(".")[2] in _NO_BEARING_ANYWHERE:
        return False
    return not _is_below(key, NO_BEARING)


def _is_below(key: str, names: Sequence[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in names)


def flattened(node: Any, prefix: str = "") -> dict[str, Any]:
    """Name each leaf by its path, `a.b.c`; lists and empty sections count as leaves."""
    if not isinstance(node, Mapping) or (prefix and not node):
        return {prefix: node}
    leaves: dict[str, Any] = {}
    for key, value in node.items():
        leaves |= flattened(value, f"{prefix}.{key}" if prefix else str(key))
    return leaves


def value_text(value: Any) -> str:
    """Write a value as it would be typed; equal numbers have one text.

    >>> value_text(1.0), value_text(1), value_text(1e-3), value_text(None), value_text([1, 2.0])
    ('1', '1', '0.001', 'null', '[1,2]')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(value_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{value_text(item)}' for key, item in value.items())}}}"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List the settings with a bearing on results that have changed, with both values.

    A run of version 0.1 is compared in the settings that it has in common with a run of today.
    """
    old, new = flattened(earlier), flattened(now)
    keys = old.keys() | new.keys()
    if is_of_0_1(earlier):
        old = _OF_0_1 | old
        keys = old.keys() & new.keys()
    return [
        f"{key}: {value_text(old.get(key))} there, {value_text(new.get(key))} here"
        for key in sorted(keys)
        if has_bearing(key) and _compared(key, old.get(key)) != _compared(key, new.get(key))
    ]


def as_before(key: str, value: Any) -> Any:
    """Return a value as runs have it that are older than it.

    `trainer.precision` was 32-true before there was auto. Whoever wants 32-true today types it, and
    gets another folder.
    """
    return "32-true" if (key, value) == ("trainer.precision", "auto") else value


def is_of_0_1(settings: Mapping[str, Any]) -> bool:
    """Whether these are settings of version 0.1, which had a section for the data module."""
    return "datamodule" in settings


def _compared(key: str, value: Any) -> str:
    """Return the text to compare; modules are left out of targets, for they have moved."""
    text = value_text(as_before(key, value))
    return text.rpartition(".")[2] if key.endswith("_target_") else text


def folder_label(
    choices: Mapping[str, str], settings: Mapping[str, Any], elsewhere: Sequence[str] = ()
) -> str:
    """Return the part of a folder's name for the settings that differ from the defaults.

    Paths are left out: a corpus is the same in every place. Files of sound, and several files that
    are joined, are named without their folders. A label that is too long for a file system is cut,
    and ends with a hash of all of it.

    >>> folder_label({"encoder": "gru"}, {"encoder.dropout": 0.30, "data.root": "/data"})
    'encoder-gru_encoder.dropout-0.3'

    Args:
        choices: Option by group, where it is not the default.
        settings: Value by path, if it differs from the value in the chosen options.
        elsewhere: Settings that are other parts of the folder's path; all below them count too.
    """
    named = {
        key: value_text(value).replace("/", ".")
        for key, value in ((key, _named_files(key, value)) for key, value in settings.items())
        if has_bearing(key)
        and not _is_below(key, elsewhere)
        and (_names_files(key, value) or not _is_path(key, value))
    }
    return shortened(
        "_".join(f"{key}-{value}" for key, value in sorted([*choices.items(), *named.items()]))
    )


def shortened(name: str) -> str:
    """Return a name that every file system takes: if it is too long, its start and a hash of it.

    >>> shortened("att"), len(shortened("x" * 300)), shortened("x" * 300)[-10:]
    ('att', 120, 'x_0d4e2ca9')
    """
    if len(name.encode()) <= _LONGEST_LABEL:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]
    start = name.encode()[: _LONGEST_LABEL - _HASH_DIGITS - 1].decode(errors="ignore")
    return f"{start}_{digest}"


def budget_label(p_s: float, b_s: float | None, seed: int) -> str:
    """Return the last part of a run's folder.

    >>> budget_label(1, None, 0), budget_label(0.05, 0.5, 3)
    ('p1.0_bnull_s0', 'p0.05_b0.5_s3')
    """
    return f"p{float(p_s)}_b{'null' if b_s is None else float(b_s)}_s{seed}"


def without_budget(path: str, p_s: float, seed: int) -> str:
    """Replace the fraction of labels and the seed in a path to a run, which name its twins.

    >>> without_budget("runs/att/gtzan/p0.1_b1.0_s2/checkpoints/best.ckpt", 0.1, 2)
    'runs/att/gtzan/p*_b1.0_s*/checkpoints/best.ckpt'
    """
    for written in {str(p_s), str(float(p_s))}:
        path = path.replace(f"/p{written}_", "/p*_")
    return path.replace(f"_s{seed}/", "_s*/")


def _named_files(key: str, value: Any) -> Any:
    """Return the names of files that count, without their folders; any other value as it is."""
    if not _names_files(key, value):
        return value
    if isinstance(value, str):
        return Path(value).name
    return [Path(str(item)).name for item in value] if isinstance(value, Sequence) else value


def _names_files(key: str, value: Any) -> bool:
    """Whether the names of files tell runs apart: what is heard, or embeddings side by side."""
    last = key.rpartition(".")[2]
    return last in _NAMED_FILES or (last == "path" and isinstance(value, list | tuple))


def _is_path(key: str, value: Any) -> bool:
    """Whether a setting says where something lies, by its name or by an absolute path."""
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if any(isinstance(item, str) and item.startswith(("/", "~", "./", "../")) for item in values):
        return True
    last = key.rpartition(".")[2]
    return last in _PATHS or last.rpartition("_")[2] in ("root", "path", "file", "folder")
