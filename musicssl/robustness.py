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
from musicssl.evaluation import Scorer
from musicssl.metrics import Metrics
from musicssl.robustness_table import Macro, Robustness, read_robustness

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
            `musicssl.corruptions`.
        measure: Judges scores by targets and mask, each (N, C), as `Task.metrics` does.
        severities: Above 0, ascending.
        seed: Of what the corruptions draw.
        path: Of a table, robustness.csv, that is written after each corruption; those that it has
            are not judged again. It must be of the same method, clips, severities and seed.

    Raises:
        InputError: If the clips are no sound, the severities are not above 0 and ascending, or the
            table is damaged or of other severities; it is left as it is.
    """
    steps = tuple(severities)
    if not steps or list(steps) != sorted(set(steps)) or steps[0] <= 0:
        raise InputError(f"severities must be above 0 and ascending, got {list(steps)}.")
    known = _known(path, steps)
    missing = [name for name in corruptions if known is None or name not in known.corrupted]
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("corrupting", total=len(missing) + (known is None))
        if known is None:
            [clean] = _judged(method, batches, [lambda batch, number: batch], measure)
            known = Robustness(steps, clean, {})
            progress.advance(bar)
        for name in missing:
            versions = [_Corruption(corruptions[name](s), f"{seed} {name} {s:g}") for s in steps]
            macros = tuple(_judged(method, batches, versions, measure))
            known = Robustness(steps, known.clean, {**known.corrupted, name: macros})
            if path is not None:
                known.write(path)
            progress.advance(bar)
    return Robustness(steps, known.clean, {name: known.corrupted[name] for name in corruptions})


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


def _known(path: Path | None, severities: tuple[float, ...]) -> Robustness | None:
    """Return what a table has, if there is one."""
    if path is None or not path.is_file():
        return None
    known = read_robustness(path)
    if known.corrupted and known.severities != severities:
        there, here = (", ".join(f"{s:g}" for s in them) for them in (known.severities, severities))
        raise InputError(f"{path} is of severities {there}, not {here}; remove it or choose those.")
    return known
