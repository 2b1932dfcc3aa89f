"""What training takes on a GPU, each row of one table against the figure that is wanted.

Every row is measured in a process of its own with a limit of time, so that a row that fails, or
takes too long, says so and the others are measured all the same. "Trainer.fit" has all that a run
has around it, resident instances and the precision of trainer.precision=auto included; "bare" is a
loop over the same network with its batch on the device, in CUDA graphs where they are named.
TFLOP/s count two operations for each multiplication of forward and backward pass, as PyTorch's
`FlopCounterMode` does. The times of compilation, and the steps after which it pays, are those that
`musicssl.runs.compilation.BREAK_EVEN` should say.

    bash benchmarks/gpu.sh                 all rows on the GPU, in at most eight minutes
    python benchmarks/gpu.py --device cpu [--small]      a rehearsal
    python benchmarks/gpu.py --only att_fit              one row
"""

import itertools
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from statistics import median

import pytorch_lightning as pl
import torch
from att_training import BATCH, OpenMICSized, StepClock, att
from rich.console import Console
from rich.table import Table
from rounds import parser, read, synchronize
from samplecnn import CROP, RATE, SHORT_CROP, StoredNoise, endless, noise, turn, watched_gpu
from semisupcon import measured as measured_semisupcon
from start import WANTED, first_batch, measured
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from views import RATE as VIEWS_RATE
from views import crops

from musicssl.audio.store import build_store
from musicssl.augment.published import published_chain
from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.samplecnn import SampleCNN
from musicssl.encoders.short_chunk import ShortChunk
from musicssl.evaluation.tasks import MULTI_LABEL
from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.att import AttentionMIL
from musicssl.methods.semisupcon import SemiSupCon
from musicssl.networks.pooling import AttentionPooling
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import Linear
from musicssl.runs.compilation import CompiledNetworks
from musicssl.runs.precision import chosen_precision
from musicssl.runs.progress import EpochProgress
from musicssl.schedules import constant
from musicssl.seeding import StepSeed
from probe import FRACTIONS, STRENGTHS, embeddings, subsets_of

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
SECONDS = 480  # of all rows together
Rows = list[tuple[str, str, str]]  # what, its figure, and the figure that is wanted


class Sizes:
    """How much is measured, on a device."""

    def __init__(self, device: torch.device, small: bool) -> None:
        self.device = device
        self.small = small
        self.steps = 2 if small else 400
        self.batches = (2,) if small else (16, 96)
        self.crop = SHORT_CROP if small else CROP

    def autocast(self) -> torch.autocast:
        """Compute in bfloat16, on a GPU."""
        on_gpu = self.device.type == "cuda"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu)


def att_fit(sizes: Sizes) -> Rows:
    """Steps a second of ATT in `Trainer.fit`, eager and compiled."""
    clips = 300 if sizes.small else 14_915
    rates = {}
    for mode in ("off", "default", "reduce-overhead"):
        if mode == "reduce-overhead" and sizes.device.type == "cpu":
            continue
        data = SemiSupervisedDataModule(
            OpenMICSized(clips), batch_size=BATCH, steps_per_epoch=sizes.steps
        )
        clock = StepClock(sizes.device)
        backend = "eager" if sizes.small else "inductor"
        trainer = pl.Trainer(
            accelerator=sizes.device.type,
            devices=1,
            precision=chosen_precision("auto", sizes.device.type),
            max_epochs=2,  # of which the last is timed
            limit_val_batches=0,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            callbacks=[clock, StepSeed(0), EpochProgress(), CompiledNetworks(mode, backend)],
        )
        trainer.fit(att(), data)
        rates[mode] = sizes.steps / clock.seconds
    names = {"off": "not compiled", "default": "compiled", "reduce-overhead": "in CUDA graphs"}
    rows = [
        (f"ATT in Trainer.fit, batch {BATCH}, {names[mode]}", f"{rate:.0f} steps/s", "800 steps/s")
        for mode, rate in rates.items()
    ]
    best = max(rates.values())
    minutes = 10 * 60 * 10 / best / 60  # ten steps to an epoch of synthband
    ours = "ten seeds x 60 epochs of ATT on synthband, one by one (computed from the best rate)"
    return [*rows, (ours, f"{minutes:.1f} min", "1 min")]


def att_bare(sizes: Sizes) -> Rows:
    """Steps a second of a bare loop of ATT, with CUDA graphs where there are any."""
    method = att().to(sizes.device).train()
    optimizer = method.optimizer(method.parameters())
    for group in optimizer.param_groups:
        group["capturable"] = sizes.device.type == "cuda"
    shape = (BATCH, 10, 128)
    batch = Batch(
        torch.rand(shape, device=sizes.device),
        torch.ones(BATCH, 20, device=sizes.device),
        torch.ones(BATCH, 20, dtype=torch.bool, device=sizes.device),
    )

    def step() -> None:
        with sizes.autocast():
            loss = masked_bce(method(batch), batch.y, batch.mask)
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        optimizer.step()

    replay = step if sizes.device.type == "cpu" else _captured(step)
    return [("ATT, bare loop in one CUDA graph", f"{1000 / _timed(replay, sizes):.0f} steps/s", "")]


def _captured(step: Callable[[], None]) -> Callable[[], None]:
    """Return a function that replays a step as one CUDA graph."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _timed(step: Callable[[], None], sizes: Sizes, steps: int | None = None) -> float:
    """Return the milliseconds of a step, the median of three turns after one of warm-up."""
    count, times = steps or sizes.steps, []
    for _ in range(4):
        synchronize(sizes.device)
        start = time.perf_counter()
        for _ in range(count):
            step()
        synchronize(sizes.device)
        times.append(1000 * (time.perf_counter() - start) / count)
    return median(times[1:])


def _network(encoder: Callable[..., nn.Module], sizes: Sizes, batch: int) -> "_Training":
    if sizes.small:
        encoder = partial(SampleCNN, chunk_samples=729, num_blocks=5, width=16)
    parts = {"num_features": 1, "num_instances": sizes.crop, "num_classes": 50}
    method = AttentionMIL(
        encoder=encoder,
        pooling=AttentionPooling,
        loss=masked_bce,
        optimizer=partial(torch.optim.Adam, lr=1e-4, fused=True),
        schedule=constant,
        **parts,
    )
    return _Training(method.to(sizes.device).train(), sizes, batch)


class _Training:
    """Steps of a network on one batch, with its TFLOP a step and the seconds of compiling it."""

    def __init__(self, method: AttentionMIL, sizes: Sizes, batch: int) -> None:
        self.method, self.sizes = method, sizes
        self.optimizer = method.optimizer(method.parameters())
        self.batch = Batch(
            torch.rand(batch, sizes.crop, device=sizes.device) - 0.5,
            torch.ones(batch, 50, device=sizes.device),
            torch.ones(batch, 50, dtype=torch.bool, device=sizes.device),
        )

    def step(self, batch: Batch | None = None) -> None:
        """Train on a batch."""
        found = self.batch if batch is None else batch.to(self.sizes.device)
        with self.sizes.autocast():
            loss = masked_bce(self.method(found), found.y, found.mask)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def tflop(self) -> float:
        """Count the operations of a step."""
        with FlopCounterMode(display=False) as counter:
            self.step()
        return counter.get_total_flops() / 1e12

    def compile(self) -> float:
        """Compile encoder and pooling; return the seconds that the first step takes."""
        for owner, name in self.method.compiled_calls():
            part: nn.Module = getattr(owner, name)
            part.compile(backend="eager" if self.sizes.small else "inductor")
        synchronize(self.sizes.device)
        start = time.perf_counter()
        self.step()
        synchronize(self.sizes.device)
        return time.perf_counter() - start


def compiled(sizes: Sizes, name: str, encoder: Callable[..., nn.Module], wanted: str) -> Rows:
    """TFLOP/s of an encoder of sound, eager and compiled, and when compiling pays."""
    batch = sizes.batches[-1]
    training = _network(encoder, sizes, batch)
    tflop = training.tflop()
    steps = 2 if sizes.small else 40
    eager = _timed(training.step, sizes, steps)
    seconds = training.compile()
    fast = _timed(training.step, sizes, steps)
    gained = eager - fast
    pays = f"after {1000 * seconds / gained:,.0f} steps" if gained > 0 else "never"
    return [
        (f"{name}, batch {batch}", f"{1000 * tflop / eager:.1f} TFLOP/s ({eager:.1f} ms)", ""),
        (
            f"{name}, batch {batch}, compiled",
            f"{1000 * tflop / fast:.1f} TFLOP/s ({fast:.1f} ms)",
            wanted,
        ),
        (f"{name}, compiling", f"{seconds:.0f} s, pays {pays}", ""),
    ]


def fed(sizes: Sizes) -> Rows:
    """A step of SampleCNN fed from a clip store, against a batch that lies ready."""
    rows: Rows = []
    clips, steps = (30, 1) if sizes.small else (400, 30)
    with tempfile.TemporaryDirectory() as folder:
        store = build_store(Path(folder) / "noise", [str(i) for i in range(clips)], noise, RATE)
        for batch in sizes.batches:
            data = SemiSupervisedDataModule(
                StoredNoise(store), batch_size=batch, crop_seconds=sizes.crop / RATE
            )
            data.setup()
            training = _network(SampleCNN, sizes, batch)
            batches = endless(data)
            fixed = itertools.repeat(training.batch)
            ours, bare, shares = [], [], []
            for _ in range(4):
                with watched_gpu() if sizes.device.type == "cuda" else nullcontext([]) as samples:
                    ours.append(turn(training.step, batches, steps, sizes.device)[0])
                shares += samples
                bare.append(turn(training.step, fixed, steps, sizes.device)[0])
            ratio = median(bare[1:]) / median(ours[1:])
            busy = f", GPU busy {median(shares):.0f} %" if shares else ""
            rows.append(
                (f"SampleCNN fixed / fed, batch {batch}", f"{ratio:.2f}{busy}", "0.95, 90 %")
            )
    return rows


def _watched(device: torch.device):  # type: ignore[no-untyped-def]
    from contextlib import nullcontext

    return watched_gpu() if device.type == "cuda" else nullcontext([])


def semisupcon(sizes: Sizes) -> Rows:
    """A step of SemiSupCon against its encoder alone."""
    clips, steps, rounds = (30, 1, 1) if sizes.small else (400, 10, 4)
    batch = 4 if sizes.small else sizes.batches[-1]
    with tempfile.TemporaryDirectory() as folder:
        store = build_store(Path(folder) / "noise", [str(i) for i in range(clips)], noise, RATE)
        data = SemiSupervisedDataModule(
            StoredNoise(store),
            b_s=0.5,
            batch_size=batch,
            crop_seconds=sizes.crop / RATE,
            needs=SemiSupCon.needs,
        )
        step, encoder, ratio, _ = measured_semisupcon(data, sizes.device, rounds, steps)
    name = f"semisupcon, {batch} x 2 crops: encoder / step"
    return [(name, f"{ratio} ({encoder} of {step} ms)", "0.9")]


def probe(sizes: Sizes) -> Rows:
    """300 fits of the linear probe, as benchmarks/probe.py draws them."""
    splits = embeddings(500 if sizes.small else 10_000, 16 if sizes.small else 512, MULTI_LABEL)
    train, val = (
        Embeddings(*(tensor.to(sizes.device) for tensor in part))
        for part in (splits.train, splits.val)
    )
    subsets = [rows.to(sizes.device) for f in FRACTIONS for rows in subsets_of(splits.train, f)]
    Linear(STRENGTHS[:2]).fit(train, subsets[:1], val, MULTI_LABEL)
    synchronize(sizes.device)
    begun = time.perf_counter()
    Linear(STRENGTHS).fit(train, subsets, val, MULTI_LABEL)
    synchronize(sizes.device)
    count = len(subsets) * len(STRENGTHS)
    return [(f"linear probe, {count} fits", f"{time.perf_counter() - begun:.2f} s", "2 s")]


def views(sizes: Sizes) -> Rows:
    """Milliseconds of the published views of two crops of 96 clips."""
    count = 4 if sizes.small else 192
    chain, x = published_chain(2, VIEWS_RATE), crops(count).to(sizes.device)
    with torch.inference_mode():
        taken = _timed(lambda: chain(x), sizes, 10 if sizes.device.type == "cuda" else 1)
    return [(f"published views of {count} crops of 2.7 s", f"{taken:.1f} ms", "6 ms")]


def start(sizes: Sizes) -> Rows:
    """Seconds from the command to the first batch of a run, with a warm cache."""
    trainer = "cpu" if sizes.device.type == "cpu" else "gpu"
    with tempfile.TemporaryDirectory() as folder:
        command = {"run": first_batch(Path(folder), trainer)}
        cpu, clock = measured(command, 1 if sizes.small else 3, 0 if sizes.small else 1)["run"]
    name = "train.py to its first batch, corpus rendered before"
    return [(name, f"{clock:.1f} s ({cpu:.1f} s of processor time)", f"{WANTED:g} s")]


ROWS: dict[str, tuple[Callable[[Sizes], Rows], int]] = {  # and the most seconds that each may take
    "att_fit": (att_fit, 150),
    "att_bare": (att_bare, 40),
    "fed": (fed, 80),
    "samplecnn": (
        partial(compiled, name="SampleCNN", encoder=SampleCNN, wanted="60 TFLOP/s"),
        100,
    ),
    "short_chunk": (
        partial(compiled, name="short_chunk", encoder=ShortChunk, wanted="150 TFLOP/s"),
        100,
    ),
    "semisupcon": (semisupcon, 80),
    "probe": (probe, 60),
    "views": (views, 60),
    "start": (start, 60),
}


def apart(name: str, arguments: list[str], left: float) -> Rows:
    """Measure a row in a process of its own; say so if it fails."""
    limit = SECONDS if "--small" in arguments else min(ROWS[name][1], left)
    if limit < 5:
        return [(name, f"not measured: {SECONDS} s are over", "")]
    command = [sys.executable, __file__, "--only", name, "--json", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return [(name, f"not measured: more than {limit:.0f} s", "")]
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return [(name, f"failed: {last[:80]}", "")]
    found: Rows = [tuple(row) for row in json.loads(done.stdout.splitlines()[-1])]
    return found


def main() -> None:
    """Measure all rows, or one, and print a table."""
    arguments = parser(__doc__)
    arguments.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    arguments.add_argument("--only", choices=list(ROWS), help="a single row")
    arguments.add_argument("--json", action="store_true", help="print rows for a program to read")
    options = read(arguments, device="cpu")
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("Nothing is measured: there is no GPU. --device cpu --small rehearses it.")
        return
    if options.json:
        print(json.dumps(ROWS[options.only][0](Sizes(device, options.small))))
        return
    begun, passed_on = time.monotonic(), ["--device", options.device]
    passed_on += ["--small"] if options.small else []
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    table = Table("what", "here", "wanted on an H200", title=f"{name}, torch {torch.__version__}")
    for row in [options.only] if options.only else ROWS:
        print(f"{row} ...", file=sys.stderr, flush=True)
        for cells in apart(row, passed_on, SECONDS - (time.monotonic() - begun)):
            table.add_row(*cells)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
