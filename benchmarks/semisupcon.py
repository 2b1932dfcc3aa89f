"""Milliseconds of a whole SemiSupCon training step, against its encoder forward and backward alone.

The step is everything: crops read from a clip store, labels, the published views at severity 2,
SampleCNN, projector, similarities, loss, monitors, backward and Adam, on 16 clips in two crops of
3.7 s each, half of them labelled. "encoder" is SampleCNN forward and backward on one fixed batch of
the same size. They take turns, so that a busy machine slows both alike; figures are medians. On a
GPU both run in bfloat16.

    python benchmarks/semisupcon.py [--device cpu] [--threads 1 2] [--rounds 9] [--steps 1]
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from samplecnn import CLASSES, CROP, RATE, StoredNoise, endless, noise, turn

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

CLIPS, STORED = 16, 200


def semisupcon(device: torch.device) -> SemiSupCon:
    """Build the method as `method=semisupcon` does."""
    method = SemiSupCon(
        encoder=SampleCNN,
        pooling=MeanPooling,
        optimizer=partial(torch.optim.Adam, lr=1e-4, fused=True),
        schedule=constant,
        views=published_views(severity=2, sample_rate=RATE),
        projector=Projector,
        num_features=1,
        num_instances=CROP,
        num_classes=CLASSES,
    )
    return method.to(device).train()


def whole_step(method: SemiSupCon, device: torch.device) -> Callable[[Batch], None]:
    """Return what `training_step` and the optimizer do, without Lightning."""
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
    """Return forward and backward of the encoder."""
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
    """Let both take turns, after one that does not count, and return a row of the table."""
    method, cuda = semisupcon(device), device.type == "cuda"
    whole, alone = whole_step(method, device), encoder_alone(method, device)
    fed: Iterator[Batch] = endless(datamodule)
    fixed = itertools.repeat(next(fed).to(device))
    ours, bare = [], []
    for _ in range(rounds + 1):
        ours.append(turn(whole, fed, steps, cuda)[0])
        bare.append(turn(alone, fixed, steps, cuda)[0])
    step, encoder = median(ours[1:]), median(bare[1:])
    clips = 1000 * datamodule.batch_size / step
    return [f"{step:.0f}", f"{encoder:.0f}", f"{encoder / step:.3f} x", f"{clips:.1f}"]


def main() -> None:
    """Measure at each number of threads and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=1)
    chosen = parser.parse_args()
    columns = ("threads", "step, ms", "encoder, ms", "encoder / step", "clips/s")
    table = Table(*columns, title=f"SemiSupCon step, {CLIPS} clips x 2 crops, {chosen.device}")
    with tempfile.TemporaryDirectory() as folder:
        clip_ids = [str(number) for number in range(STORED)]
        store = build_store(Path(folder) / "noise", clip_ids, noise, RATE)
        for threads in chosen.threads:
            torch.set_num_threads(threads)
            datamodule = SemiSupervisedDataModule(
                StoredNoise(store),
                b_s=0.5,
                batch_size=CLIPS,
                crop_seconds=CROP / RATE,
                num_crops=2,
            )
            device = torch.device(chosen.device)
            row = measured(datamodule, device, chosen.rounds, chosen.steps)
            table.add_row(str(threads), *row)
    Console().print(table)


if __name__ == "__main__":
    main()
