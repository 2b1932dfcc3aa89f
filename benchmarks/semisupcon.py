"""Milliseconds of a whole SemiSupCon training step, against its encoder forward and backward alone.

The step is all of it: crops read from a clip store, labels, the published views at severity 2,
SampleCNN, projector, similarities, loss, monitors, backward and Adam, on 16 clips in two crops of
3.7 s each, half of them labelled. "encoder" is SampleCNN forward and backward on one fixed batch of
the same size. They take turns, so that a busy machine slows both alike; after one turn of warm-up,
figures are medians. On a GPU both run in bfloat16.

    python benchmarks/semisupcon.py [--device cpu] [--threads 1 2] [--rounds 9] [--steps 1]
        [--small]
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from rounds import parser, read
from samplecnn import CROP, RATE, SHORT_CROP, StoredNoise, endless, noise, turn

from musicssl.audio.store import build_store
from musicssl.augment.views import published_views
from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.samplecnn import SampleCNN
from musicssl.evaluation.monitors import alignment, uniformity
from musicssl.methods.semisupcon import SemiSupCon
from musicssl.networks.pooling import MeanPooling
from musicssl.networks.projector import Projector
from musicssl.schedules import constant


def semisupcon(sizes: dict[str, int | str], device: torch.device) -> SemiSupCon:
    """Build the method as `method=semisupcon` does."""
    method = SemiSupCon(
        encoder=SampleCNN,
        pooling=MeanPooling,
        optimizer=partial(torch.optim.Adam, lr=1e-4, fused=True),
        schedule=constant,
        views=published_views(severity=2, sample_rate=RATE),
        projector=Projector,
        **sizes,
    )
    return method.to(device).train()


def whole_step(method: SemiSupCon, device: torch.device) -> Callable[[Batch], None]:
    """Return a function that does what Lightning does in a training step."""
    optimizer = method.optimizer([p for p in method.parameters() if p.requires_grad])

    def step(batch: Batch) -> None:
        clips = batch.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            seen = method.viewed(clips)
            z = method.projector(method.classifier.clip_embeddings(seen))
            loss, _ = method.objective(seen, z)
            alignment(z, seen.rows)
            uniformity(z)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def encoder_alone(method: SemiSupCon, device: torch.device) -> Callable[[Batch], None]:
    """Return a function that passes a batch through the encoder in both directions."""
    encoder = method.classifier.encoder

    def step(batch: Batch) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            h, _ = encoder(batch.x, None)
        h.float().mean().backward()
        encoder.zero_grad()

    return step


def measured(
    datamodule: SemiSupervisedDataModule, device: torch.device, rounds: int, steps: int
) -> list[str]:
    """Let both take turns, after one turn of warm-up, and return a row of the table."""
    datamodule.setup()
    method = semisupcon(datamodule.sizes, device)
    whole, alone = whole_step(method, device), encoder_alone(method, device)
    fed: Iterator[Batch] = endless(datamodule)
    fixed = itertools.repeat(next(fed).to(device))
    ours, bare = [], []
    for _ in range(rounds + 1):
        ours.append(turn(whole, fed, steps, device)[0])
        bare.append(turn(alone, fixed, steps, device)[0])
    step, encoder = median(ours[1:]), median(bare[1:])
    clips = 1000 * datamodule.batch_size / step
    return [f"{step:.0f}", f"{encoder:.0f}", f"{encoder / step:.3f} x", f"{clips:.1f}"]


def main() -> None:
    """Measure at each number of threads and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--steps", type=int, default=1, help="steps of a turn")
    arguments.add_argument("--batch", type=int, default=16, help="clips of a batch")
    arguments.add_argument("--crop", type=int, default=CROP, help="samples of a crop")
    arguments.add_argument("--clips", type=int, default=200, help="clips in the store")
    chosen = read(arguments, threads=[1], rounds=1, batch=4, crop=SHORT_CROP, clips=30)
    device = torch.device(chosen.device)
    columns = ("threads", "step, ms", "encoder, ms", "encoder / step", "clips/s")
    table = Table(*columns, title=f"SemiSupCon step, {chosen.batch} clips x 2 crops, {device}")
    with tempfile.TemporaryDirectory() as folder:
        clip_ids = [str(number) for number in range(chosen.clips)]
        store = build_store(Path(folder) / "noise", clip_ids, noise, RATE)
        for threads in chosen.threads:
            torch.set_num_threads(threads)
            datamodule = SemiSupervisedDataModule(
                StoredNoise(store),
                b_s=0.5,
                batch_size=chosen.batch,
                crop_seconds=chosen.crop / RATE,
                needs=SemiSupCon.needs,
            )
            row = measured(datamodule, device, chosen.rounds, chosen.steps)
            table.add_row(str(threads), *row)
    Console().print(table)


if __name__ == "__main__":
    main()
