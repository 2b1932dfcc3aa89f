"""Robustness of a trained method: its metrics on sound corrupted at several severities."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from torch import Tensor

from musicssl.augment.chain import Transform
from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.evaluation.metrics import Metrics
from musicssl.evaluation.predictions import Scorer, ranked_scores
from musicssl.evaluation.robustness_table import Macro, Robustness, read_robustness

SEVERITIES = (1.0, 2.0, 3.0, 4.0, 5.0)

Measure = Callable[[Tensor, Tensor, Tensor, Tensor], Metrics]


def robustness(
    method: Scorer,
    batches: Iterable[Batch],
    corruptions: Mapping[str, Callable[[float], Transform]],
    *,
    measure: Measure,
    severities: Sequence[float] = SEVERITIES,
    seed: int = 0,
    path: Path | None = None,
) -> Robustness:
    """Evaluate a method on whole clips under each corruption at each severity.

    The random numbers of a corruption depend on the seed, its name, the severity and the number of
    the batch. Every method gets the same sound, if the batches are the same and are on the same
    kind of device. The random state of the caller does not change.

    Args:
        method: The trained method, in evaluation mode.
        batches: The clips of a split, of sound; iterated over once for each corruption.
        corruptions: Functions by name, from a severity to a transform that is applied to every
            clip; see `musicssl.augment.corruptions`.
        measure: Takes scores, targets, mask and log-odds, each (N, C), to metrics, as
            `Task.metrics` does.
        severities: Above 0, ascending.
        seed: Seed of the corruptions.
        path: Table robustness.csv, written after each corruption. Severities that are already in it
            are not evaluated again, and other severities are kept. It must be of the same method,
            clips and seed.

    Returns:
        The requested corruptions and severities, without others that are in the table.

    Raises:
        InputError: If the clips are not sound, the severities are not above 0 and ascending, or the
            table is damaged; a damaged table is not changed.
    """
    steps = tuple(severities)
    if not steps or list(steps) != sorted(set(steps)) or steps[0] <= 0:
        raise InputError(f"severities must be above 0 and ascending, got {list(steps)}.")
    table = read_robustness(path) if path is not None and path.is_file() else None
    missing = _missing(table, corruptions, steps)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    console, num_steps = Console(stderr=True), len(missing) + (table is None)
    with Progress(*columns, console=console, disable=num_steps == 0) as progress:
        bar = progress.add_task("corrupting", total=num_steps)
        if table is None:
            [clean] = _measured(method, batches, [lambda batch, number: batch], measure)
            table = Robustness(clean, {})
            progress.advance(bar)
        for name, new in missing.items():
            versions = [_Corruption(corruptions[name](s), f"{seed} {name} {s:g}") for s in new]
            macros = _measured(method, batches, versions, measure)
            keys = [(name, severity) for severity in new]
            table = Robustness(
                table.clean, {**table.judged, **dict(zip(keys, macros, strict=True))}
            )
            if path is not None:
                table.write(path)
            progress.advance(bar)
    requested = [(name, severity) for name in corruptions for severity in steps]
    return Robustness(table.clean, {key: table.judged[key] for key in requested})


def _missing(
    table: Robustness | None, names: Iterable[str], severities: Sequence[float]
) -> dict[str, list[float]]:
    """Return the severities that the table lacks, by the names of the corruptions that lack any."""
    existing = {} if table is None else table.judged
    missing = {name: [s for s in severities if (name, s) not in existing] for name in names}
    return {name: new for name, new in missing.items() if new}


class _Corruption:
    """A transform of batches whose random numbers depend only on a key and the batch number."""

    def __init__(self, transform: Transform, key: str) -> None:
        self.transform, self.key = transform, key

    def __call__(self, batch: Batch, number: int) -> Batch:
        digest = hashlib.blake2b(f"{self.key} {number}".encode(), digest_size=8).digest()
        seed = int.from_bytes(digest, "big")
        on_gpu = [batch.x.device] if batch.x.is_cuda else []
        with torch.random.fork_rng(devices=on_gpu):  # torch.manual_seed would seed all devices
            torch.default_generator.manual_seed(seed)
            for device in on_gpu:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            return batch.augmented(self.transform)


def _measured(
    method: Scorer,
    batches: Iterable[Batch],
    versions: Sequence[Callable[[Batch, int], Batch]],
    measure: Measure,
) -> list[Macro]:
    """Return the overall metrics of several versions of the same clips, which are read once."""
    scored: list[list[tuple[Tensor, Tensor]]] = [[] for _ in versions]
    targets, mask = [], []
    with torch.inference_mode():
        for number, batch in enumerate(batches):
            if batch.x.ndim != 2:
                raise InputError(
                    "corruptions need sound, but the method reads instances; choose an encoder "
                    "of sound and features=waveform."
                )
            targets.append(batch.y)
            mask.append(batch.mask)
            for of_version, version in zip(scored, versions, strict=True):
                of_version.append(ranked_scores(method, version(batch, number)))
    truth = torch.cat(targets).cpu(), torch.cat(mask).cpu()
    macros: list[Macro] = []
    for of_version in scored:
        scores, log_odds = map(torch.cat, zip(*of_version, strict=True))
        macros.append(measure(scores, *truth, log_odds).macro)
    return macros
