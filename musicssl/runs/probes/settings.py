"""The settings of a probe: what may be said, and the folder that they name."""

import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musicssl.errors import InputError

BASELINES = ("untrained", "log_mel")


def embeddings_file(embeddings: Any) -> Path | None:
    """Return the file that `embeddings=FILE` or `embeddings.file=FILE` names; None without one."""
    file = embeddings.get("file") if isinstance(embeddings, Mapping) else embeddings
    return None if file is None else Path(str(file)).expanduser()


def saved_to(embeddings: Any) -> Path | None:
    """Return the file that `embeddings.save=FILE` names; None without one."""
    file = embeddings.get("save") if isinstance(embeddings, Mapping) else None
    return None if file is None else Path(str(file)).expanduser()


def checked_fractions(p_s: Any) -> tuple[float, ...]:
    """Return fractions of labels as they may be given, one number or several, ascending.

    Raises:
        InputError: If one is no number above 0 and at most 1.
    """
    given: Sequence[Any] = p_s if isinstance(p_s, list | tuple) else [p_s]
    for value in given:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value <= 1 or math.isnan(value):
            raise InputError(
                "data.p_s must be fractions of the labels above 0 and at most 1, such as "
                f"[0.01,0.1,1], got {value}."
            )
    if not given:
        raise InputError("data.p_s=[] leaves nothing to probe with; name a fraction of the labels.")
    return tuple(sorted({float(value) for value in given}))


def checked_seeds(seed: Any, seeds: Any) -> tuple[int, ...]:
    """Return the seeds of the draws of labelled clips.

    Args:
        seed: The first.
        seeds: How many.

    Raises:
        InputError: If that is not at least one.
    """
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise InputError(f"seeds must be a whole number of draws, at least 1, got {seeds}.")
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed must be a whole number from 0 up, got {seed}.")
    return tuple(range(seed, seed + seeds))


def checked_baselines(names: Any) -> tuple[str, ...]:
    """Return what is probed for comparison.

    Raises:
        InputError: If there is no such baseline.
    """
    given = [names] if isinstance(names, str) else list(names or [])
    for name in given:
        if name not in BASELINES:
            choices = ",".join(BASELINES)
            raise InputError(f"there is no baseline {name!r}; choose of baselines=[{choices}].")
    return tuple(dict.fromkeys(given))


def probe_folder(
    checkpoint: str | None,
    embeddings: Any,
    runs: str,
    name: str | None,
    choices: Mapping[str, str | None],
) -> str:
    """Return the folder of a probe but for its overrides, `HOME/NAME/PROBE`.

    Args:
        checkpoint: Its path, if it is one that is probed.
        embeddings: The setting of this name.
        runs: Folder of all runs.
        name: In place of the word typed after `dataset=`.
        choices: Hydra's, from a group to the option that was chosen.
    """
    file = embeddings_file(embeddings)
    place = _home(checkpoint, None if file is None else str(file), choices["encoder"], runs)
    corpus = name or choices["dataset"] or ("own_corpus" if file is None else "own_labels")
    return str(place / corpus / str(choices["probe"]))


def _home(checkpoint: str | None, embeddings: str | None, encoder: str | None, runs: str) -> Path:
    """Return the folder for all probes of something: in its run, or else in `runs`/probes.

    Args:
        checkpoint: Its path, if it is one.
        embeddings: Their file, if they are some.
        encoder: The word typed after `encoder=`, if it is one.
        runs: Folder of all runs.
    """
    if checkpoint is not None and (run := run_of(Path(checkpoint))) is not None:
        stem = Path(checkpoint).stem
        return run / "probes" / ("" if stem == "best" else stem)
    place = Path(runs).absolute() / "probes"
    file = checkpoint if checkpoint is not None else embeddings
    if file is None:
        return place / f"untrained_{encoder}"
    path = Path(file).expanduser().absolute()
    return place / f"{path.stem}-{zlib.crc32(str(path).encode()):08x}"


def run_of(checkpoint: Path) -> Path | None:
    """Return the folder of the run that a checkpoint is of; None if it lies elsewhere."""
    place = checkpoint.expanduser().absolute().parent
    is_run = place.name == "checkpoints" and (place.parent / "config.yaml").is_file()
    return place.parent if is_run else None
