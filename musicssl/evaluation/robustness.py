"""How a trained method bears corrupted sound: its metrics over the severity of each corruption."""

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
from musicssl.evaluation.predictions import Scorer
from musicssl.evaluation.robustness_table import Macro, Robustness, read_robustness

SEVERITIES = (1.0, 2.0, 3.0, 4.0, 5.0)

Measure = Callable[[Tensor, Tensor, Tensor], Metrics]


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
    """Judge a method on whole clips under each corruption at each severity.

    What a corruption draws depends on the seed, its name, the severity and the number of the batch:
    every method hears the same sounds, if the batches are the same and lie on a device of the same
    kind. Random numbers of the caller stay as they were.

    Args:
        method: In evaluation mode.
        batches: The clips of a split, of sound; gone through once for each corruption.
        corruptions: From a severity to a transform that every clip goes through, by name; see
            `musicssl.augment.corruptions`.
        measure: Judges scores by targets and mask, each (N, C), as `Task.metrics` does.
        severities: Above 0, ascending.
        seed: Of what the corruptions draw.
        path: Of a table, robustness.csv, that is written after each corruption; what it has of
            these severities is not judged again, and what it has of others stays. It must be of
            the same method, clips and seed.

    Returns:
        The corruptions and severities that were asked for, whatever else the table has.

    Raises:
        InputError: If the clips are no sound, the severities are not above 0 and ascending, or the
            table is damaged; it is left as it is.
    """
    steps = tuple(severities)
    if not steps or list(steps) != sorted(set(steps)) or steps[0] <= 0:
        raise InputError(f"severities must be above 0 and ascending, got {list(steps)}.")
    known = read_robustness(path) if path is not None and path.is_file() else None
    missing = _missing(known, corruptions, steps)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    console, to_do = Console(stderr=True), len(missing) + (known is None)
    with Progress(*columns, console=console, disable=to_do == 0) as progress:
        bar = progress.add_task("corrupting", total=to_do)
        if known is None:
            [clean] = _judged(method, batches, [lambda batch, number: batch], measure)
            known = Robustness(clean, {})
            progress.advance(bar)
        for name, new in missing.items():
            versions = [_Corruption(corruptions[name](s), f"{seed} {name} {s:g}") for s in new]
            macros = _judged(method, batches, versions, measure)
            keys = [(name, severity) for severity in new]
            known = Robustness(
                known.clean, {**known.judged, **dict(zip(keys, macros, strict=True))}
            )
            if path is not None:
                known.write(path)
            progress.advance(bar)
    asked = [(name, severity) for name in corruptions for severity in steps]
    return Robustness(known.clean, {key: known.judged[key] for key in asked})


def _missing(
    known: Robustness | None, names: Iterable[str], severities: Sequence[float]
) -> dict[str, list[float]]:
    """Return the severities at which corruptions are still to be judged, if there are any."""
    judged = {} if known is None else known.judged
    missing = {name: [s for s in severities if (name, s) not in judged] for name in names}
    return {name: new for name, new in missing.items() if new}


class _Corruption:
    """A transform of batches that draws the same for one key and number of a batch."""

    def __init__(self, transform: Transform, key: str) -> None:
        self.transform, self.key = transform, key

    def __call__(self, batch: Batch, number: int) -> Batch:
        digest = hashlib.blake2b(f"{self.key} {number}".encode(), digest_size=8).digest()
        seed = int.from_bytes(digest, "big")
        on_gpu = [batch.x.device] if batch.x.is_cuda else []
        with torch.random.fork_rng(devices=on_gpu):  # torch.manual_seed would reach further
            torch.default_generator.manual_seed(seed)
            for device in on_gpu:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            return batch.augmented(self.transform)


def _judged(
    method: Scorer,
    batches: Iterable[Batch],
    versions: Sequence[Callable[[Batch, int], Batch]],
    measure: Measure,
) -> list[Macro]:
    """Measure several versions of the same clips, which are read once."""
    scores: list[list[Tensor]] = [[] for _ in versions]
    targets, mask = [], []
    with torch.inference_mode():
        for number, batch in enumerate(batches):
            if batch.x.ndim != 2:
                raise InputError(
                    "corruptions are of sound, but the method reads instances; choose an encoder "
                    "of sound and features=waveform."
                )
            targets.append(batch.y)
            mask.append(batch.mask)
            for kept, version in zip(scores, versions, strict=True):
                kept.append(method.scores(version(batch, number)).float().cpu())
    truth = torch.cat(targets).cpu(), torch.cat(mask).cpu()
    return [measure(torch.cat(kept), *truth).macro for kept in scores]
