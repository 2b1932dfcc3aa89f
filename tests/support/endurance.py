"""Stop trainings at random moments, start them again, and compare with runs left alone.

    python -m tests.support.endurance --kills 100 --seed 0

A round trains one method in a folder. It is stopped by SIGKILL, SIGTERM or SIGINT, once or many
times, in stages drawn at random, and each time the same command starts it again. In the end
weights, optimizer, scores, metrics and files must be those of a run that nobody disturbed, to the
bit, and each process must have ended with the exit code of its signal, without a traceback.
Sometimes the last checkpoint is damaged as well: the one before must be taken, in a sentence.

The runs of a method are forked from a process that has imported everything and composed the
settings, so that signals meet the work of a run, and a run is started again in a tenth of a second.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a process with threads is not forked

import numpy as np
import torch

from musicssl.runs.history import read_history
from tests.support import pictures
from tests.support.forked_runs import Start, composed, ended

METHODS: dict[str, tuple[str, ...]] = {
    "att": (),
    "mean_teacher": ("data.p_s=0.5", "data.b_s=0.5"),
    "temporal_ensembling": ("data.p_s=0.5", "data.b_s=0.5"),
    "semisupcon": ("encoder=att", "views=weak", "projector.hidden=16", "projector.out_dim=8"),
    "dgm": ("data.p_s=0.5", "data.b_s=0.5", "method.h1=16"),
    "fixmatch": ("data.p_s=0.5", "data.b_s=0.5"),
}
COMMAND = (
    *("dataset.num_clips=60", "data.batch_size=8", "trainer=cpu", "trainer.max_epochs=8"),
    *("threads=1", "baselines=false", "dataset.num_workers=1"),
)
EPOCHS = 8
STAGES = ("rendering", "preparing", "training", "checkpoint", "testing", "reporting")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
EXITS = {  # SIGTERM ends a process at once that has nothing to save
    signal.SIGKILL: (-signal.SIGKILL,),
    signal.SIGTERM: (128 + signal.SIGTERM, -signal.SIGTERM),
    signal.SIGINT: (128 + signal.SIGINT,),
}
DEADLINE = 300.0  # seconds of a run


@dataclass(frozen=True)
class Undisturbed:
    """A run that was left alone.

    Attributes:
        folder: That it was started in.
        run: The folder of the run in it, relative.
        began: When it came to each stage, in seconds.
    """

    folder: Path
    run: Path
    began: dict[str, float]


@dataclass
class Tally:
    """Kills by stage, how many of them had no effect, and what effect the others had."""

    met: Counter[str] = field(default_factory=Counter)
    survived: int = 0
    faults: list[str] = field(default_factory=list)

    def __add__(self, other: "Tally") -> "Tally":
        survived = self.survived + other.survived
        return Tally(self.met + other.met, survived, self.faults + other.faults)


def run_folder(folder: Path) -> Path | None:
    return next((found.parent for found in folder.glob("runs/**/config.yaml")), None)


def has_begun(folder: Path, run: Path | None, stage: str) -> bool:
    """Whether a run has come to a stage, as its files show it."""
    if stage == "rendering":
        return (folder / "cache").exists()
    if stage == "preparing":
        return any(folder.glob("cache/*/checksums.json"))
    if run is None:
        return False
    if stage == "training":
        return (run / "config.yaml").is_file()
    if stage == "checkpoint":
        checkpoints = run / "checkpoints"
        names = [path.name for path in checkpoints.iterdir()] if checkpoints.is_dir() else ()
        return any(name.startswith((".", "next")) for name in names)
    if stage == "testing":
        history = run / "history.csv"
        return history.is_file() and len(history.read_text().splitlines()) > EPOCHS
    return (run / "predictions.npz").is_file()


def left_alone(folder: Path, start: Start) -> dict[str, float]:
    """Let a run come to its end; return when its stages began."""
    begin, began = time.monotonic(), {}
    child = start()
    while (status := ended(child)) is None:
        for stage in STAGES:
            if stage not in began and has_begun(folder, run_folder(folder), stage):
                began[stage] = time.monotonic() - begin
        time.sleep(0.005)
    if status:
        raise SystemExit(f"a run fails undisturbed:\n{(folder / 'log.txt').read_text()}")
    return began | {"end": time.monotonic() - begin}


def stop_in(
    stage: str, number: int, folder: Path, start: Start, alone: Undisturbed, rng: random.Random
) -> tuple[int, bool]:
    """Start a run and send it a signal in a stage; return its exit status and whether it met it."""
    following = [when for when in alone.began.values() if when > alone.began[stage]]
    duration = 0.002 if stage == "checkpoint" else min(following) - alone.began[stage]
    child = start()
    deadline = time.monotonic() + DEADLINE
    pause = 0.0002 if stage == "checkpoint" else 0.003
    while not has_begun(folder, folder / alone.run, stage) and time.monotonic() < deadline:
        if (status := ended(child)) is not None:
            return status, False
        time.sleep(pause)
    time.sleep(rng.uniform(0, duration))
    if (status := ended(child)) is not None:
        return status, False
    os.kill(child, number)
    while (status := ended(child)) is None:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            raise TimeoutError(f"a run hangs after signal {number} in {stage}")
        time.sleep(0.005)
    return status, status != 0  # 0: it had all but ended


def damage_last(folder: Path, rng: random.Random) -> bool:
    """Cut the last checkpoint short or zero it, if the one before it is there to be taken."""
    run = run_folder(folder)
    last = None if run is None else run / "checkpoints" / "last.ckpt"
    if last is None or not last.is_file() or not last.with_name("previous.ckpt").is_file():
        return False
    content = last.read_bytes()
    cut = rng.randrange(len(content))
    last.write_bytes(content[:cut] if rng.random() < 0.5 else bytes(len(content)))
    return True


def tensors(node: object, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield all tensors in nested containers, with their places."""
    if isinstance(node, torch.Tensor):
        yield path, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from tensors(value, f"{path}/{key}")
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from tensors(value, f"{path}/{index}")


def differences(one: Path, other: Path) -> list[str]:
    """Return what differs between the results of two runs, in the folders they were started in."""
    run, run2 = run_folder(one), run_folder(other)
    if run is None or run2 is None:
        return ["a run without a folder"]
    names, names2 = (
        {path.relative_to(base).as_posix() for path in base.rglob("*")} for base in (run, run2)
    )
    found = [f"file {name}" for name in sorted(names ^ names2)]
    found += [name for name in ("metrics.json", "metrics.csv") if _bytes(run, run2, name)]
    for name in ("best.ckpt", "last.ckpt"):
        state, state2 = (
            torch.load(base / "checkpoints" / name, weights_only=True) for base in (run, run2)
        )
        parts = ("state_dict", "optimizer_states", "lr_schedulers", "ensemble")
        weights, weights2 = (
            dict(tensors({part: content.get(part) for part in parts}))
            for content in (state, state2)
        )
        same = weights.keys() == weights2.keys() and all(
            torch.equal(value, weights2[key]) for key, value in weights.items()
        )
        if not same or state["global_step"] != state2["global_step"]:
            found.append(name)
    with np.load(run / "predictions.npz") as a, np.load(run2 / "predictions.npz") as b:
        found += [f"predictions {key}" for key in a.files if a[key].tobytes() != b[key].tobytes()]
    rows, rows2 = (read_history(base / "history.csv") for base in (run, run2))
    kept = [  # the training loss of an interrupted epoch is the mean over its rest
        [{k: repr(v) for k, v in row.items() if not k.startswith("train/")} for row in table]
        for table in (rows, rows2)
    ]
    return found + (["history.csv"] if kept[0] != kept[1] else [])


def _bytes(run: Path, run2: Path, name: str) -> bool:
    return (run / name).read_bytes() != (run2 / name).read_bytes()


def endure(folder: Path, start: Start, alone: Undisturbed, kills: int, rng: random.Random) -> Tally:
    """Disturb one run up to `kills` times; return what became of it."""
    folder.mkdir()
    tally = Tally()
    damaged = False
    for stage in sorted(rng.choices(STAGES, k=kills), key=STAGES.index):
        number = rng.choice(SIGNALS)
        status, was_met = stop_in(stage, number, folder, start, alone, rng)
        if not was_met:
            tally.faults += [f"exit {status} before a signal in {stage}"] * (status != 0)
            break
        tally.met[stage] += 1
        if status not in EXITS[number]:
            name = signal.Signals(number).name
            tally.faults.append(f"exit {status} after {name} in {stage}")
        if stage in ("training", "checkpoint") and rng.random() < 0.3:
            damaged |= damage_last(folder, rng)
    child = start()
    while (status := ended(child)) is None:
        time.sleep(0.01)
    log = (folder / "log.txt").read_text()
    if damaged and "cannot be used: going on from previous.ckpt" not in log:
        tally.faults.append("no sentence on the damaged checkpoint")
    if "Traceback" in log:
        tally.faults.append("a traceback")
    tally.faults += [f"exit {status} at last"] if status else differences(alone.folder, folder)
    tally.survived = 0 if tally.faults else tally.met.total()
    return tally


def rounds(base: Path, kills: int, seed: str, start: Start) -> tuple[Counter[str], int, list[str]]:
    """Disturb runs until there were as many kills, and compare each with one that is left alone.

    Returns:
        The fields of a `Tally`, which another process can read.
    """
    rng, total, place = random.Random(seed), Tally(), base / "run"
    began = left_alone(place, start)
    run = run_folder(place)
    assert run is not None
    alone = Undisturbed(place.rename(base / "alone"), run.relative_to(place), began)
    while total.met.total() < kills:
        left = kills - total.met.total()
        tally = endure(place, start, alone, min(left, rng.choice((3, 6, 12))), rng)
        if tally.faults:
            kept = place.rename(base / f"fault-{total.met.total()}")
            tally.faults = [f"{kept}: {fault}" for fault in tally.faults]
        else:
            shutil.rmtree(place)
        total += tally
        print(f"{base.name}: {total.met.total()} of {kills} kills", flush=True)
    return total.met, total.survived, total.faults


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] = print) -> int:
    """Run rounds until there were as many kills as asked for; return 1 if one had an effect."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="in all, shared by the methods")
    parser.add_argument("--seed", type=int, default=0, help="of methods, stages and moments")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    parser.add_argument("--blank-pictures", action="store_true", help="draw none, to be quicker")
    given = parser.parse_args(arguments)
    pictures.leave_blank(given.blank_pictures)
    base, total = Path(tempfile.mkdtemp(prefix="endurance-")), Tally()
    say(f"seed {given.seed}; what is odd stays in {base}")
    for number, method in enumerate(given.methods):
        kills = (given.kills + len(given.methods) - 1 - number) // len(given.methods)
        words = (f"method={method}", *COMMAND, *METHODS[method])
        seed = f"{given.seed} {method}"
        use = partial(rounds, base / method, kills, seed)
        tally = Tally(*composed(words, base / method / "run", use))
        counts = f"{method}: {tally.met.total()} kills, {tally.survived} survived"
        say("\n".join([counts, *tally.faults]))
        total += tally
    say("  ".join(f"{stage} {total.met[stage]}" for stage in STAGES))
    say(f"{total.met.total()} kills, {total.survived} survived")
    if not total.faults:
        shutil.rmtree(base)
    return int(bool(total.faults))


if __name__ == "__main__":
    sys.exit(main())
