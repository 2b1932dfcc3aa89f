"""Stop trainings at random moments, start them again, and compare with runs left alone.

    python -m tests.support.endurance --kills 100 --seed 0

A round trains one method in a folder of its own. It is stopped by SIGKILL, SIGTERM or SIGINT, once
or several times, in stages drawn at random, and each time the same command starts it again. In the
end weights, optimizer, scores, metrics and files must be those of a run that nobody disturbed, to
the bit, and each process must have ended with the exit code of its signal, without a traceback.
Sometimes the last checkpoint is damaged as well: the one before must be taken, in a sentence.

The processes are forked from this one, which has imported everything already, so that signals meet
the work of a run and not its imports.
"""

import argparse
import os
import random
import runpy
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a process with threads is not forked

import numpy as np
import torch

import musicssl.cli.training  # noqa: F401 imported once for all runs
from musicssl.runs.history import read_history
from tests.support import pictures

ROOT = Path(__file__).parents[2]
METHODS: dict[str, tuple[str, ...]] = {
    "att": (),
    "mean_teacher": ("data.p_s=0.5", "data.b_s=0.5"),
    "temporal_ensembling": ("data.p_s=0.5", "data.b_s=0.5"),
    "semisupcon": ("encoder=att", "views=weak", "projector.hidden=16", "projector.out_dim=8"),
    "dgm": ("data.p_s=0.5", "data.b_s=0.5", "method.h1=16"),
    "fixmatch": ("data.p_s=0.5", "data.b_s=0.5"),
}
COMMAND = (
    *("dataset.num_clips=60", "data.batch_size=8", "trainer=cpu", "trainer.max_epochs=4"),
    *("threads=1", "baselines=false", "dataset.num_workers=1"),
)
EPOCHS = 4
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
    """A run that was left alone: its folder, and when it came to each stage, in seconds."""

    folder: Path
    began: dict[str, float]


def start(folder: Path, method: str) -> int:
    """Start train.py in a folder, in a process forked from this one; return its number."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.chdir(folder)
        log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.argv = [str(ROOT / "train.py"), f"method={method}", *COMMAND, *METHODS[method]]
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001 the process must not come back into its parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def ended(child: int) -> int | None:
    """Return the exit status of a process, None if it still runs."""
    number, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if number else None


def run_folder(folder: Path) -> Path | None:
    return next((found.parent for found in folder.glob("runs/**/config.yaml")), None)


def has_begun(folder: Path, stage: str) -> bool:
    """Whether a run has come to a stage, as its files show it."""
    if stage == "rendering":
        return (folder / "cache").exists()
    run = run_folder(folder)
    if stage == "preparing":
        return any(folder.glob("cache/*/checksums.json"))
    if run is None:
        return False
    if stage == "training":
        return True
    if stage == "checkpoint":
        return any(run.glob("checkpoints/*next*")) or any(run.glob("checkpoints/.*"))
    if stage == "testing":
        history = run / "history.csv"
        return history.is_file() and len(history.read_text().splitlines()) > EPOCHS
    return (run / "predictions.npz").is_file()


def left_alone(folder: Path, method: str) -> Undisturbed:
    """Let a run come to its end, and note when its stages began."""
    folder.mkdir()
    begin, began = time.monotonic(), {}
    child = start(folder, method)
    while (status := ended(child)) is None:
        for stage in STAGES:
            if stage not in began and has_begun(folder, stage):
                began[stage] = time.monotonic() - begin
        time.sleep(0.005)
    if status:
        raise SystemExit(f"{method} fails undisturbed:\n{(folder / 'log.txt').read_text()}")
    began["end"] = time.monotonic() - begin
    return Undisturbed(folder, began)


def stop_in(
    stage: str, number: int, folder: Path, method: str, alone: Undisturbed, rng: random.Random
) -> tuple[int, bool]:
    """Start a run and send it a signal in a stage; return its exit status and whether it met it."""
    following = [when for when in alone.began.values() if when > alone.began[stage]]
    duration = 0.002 if stage == "checkpoint" else min(following) - alone.began[stage]
    child = start(folder, method)
    deadline = time.monotonic() + DEADLINE
    while not has_begun(folder, stage) and time.monotonic() < deadline:
        if (status := ended(child)) is not None:
            return status, False
        time.sleep(0.0002)
    time.sleep(rng.uniform(0, duration))
    if (status := ended(child)) is not None:
        return status, False
    os.kill(child, number)
    while (status := ended(child)) is None:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            raise TimeoutError(f"{method} hangs after signal {number} in {stage}")
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


def endure(
    folder: Path, method: str, alone: Undisturbed, kills: int, rng: random.Random
) -> tuple[Counter[str], list[str]]:
    """Disturb one run up to `kills` times; return the kills by stage, and what went wrong."""
    folder.mkdir()
    met: Counter[str] = Counter()
    faults: list[str] = []
    damaged = False
    for stage in sorted(rng.choices(STAGES, k=kills), key=STAGES.index):
        number = rng.choice(SIGNALS)
        status, was_met = stop_in(stage, number, folder, method, alone, rng)
        if not was_met:
            faults += [f"exit {status} before a signal in {stage}"] * (status != 0)
            break
        met[stage] += 1
        if status not in EXITS[number]:
            faults.append(f"exit {status} after {signal.Signals(number).name} in {stage}")
        if stage in ("training", "checkpoint") and rng.random() < 0.3:
            damaged |= damage_last(folder, rng)
    child = start(folder, method)
    while (status := ended(child)) is None:
        time.sleep(0.01)
    log = (folder / "log.txt").read_text()
    if damaged and "cannot be used: going on from previous.ckpt" not in log:
        faults.append("no sentence on the damaged checkpoint")
    if "Traceback" in log:
        faults.append("a traceback")
    faults += [f"exit {status} at last"] if status else differences(alone.folder, folder)
    return met, faults


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] = print) -> int:
    """Run rounds until there were as many kills as asked for; return 1 if one had an effect."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    parser.add_argument("--blank-pictures", action="store_true", help="draw none, to be quicker")
    given = parser.parse_args(arguments)
    pictures.leave_blank(given.blank_pictures)
    rng, counts, survived, alone = random.Random(given.seed), Counter[str](), 0, {}
    base = Path(tempfile.mkdtemp(prefix="endurance-"))
    number = 0
    while counts.total() < given.kills:
        method = given.methods[number % len(given.methods)]
        if method not in alone:
            alone[method] = left_alone(base / method, method)
        left = given.kills - counts.total()
        folder = base / f"{method}-{number}"
        met, faults = endure(folder, method, alone[method], min(left, rng.choice((1, 2, 3))), rng)
        counts += met
        survived += 0 if faults else met.total()
        if faults:
            say(f"{method}: {'; '.join(faults)} (killed in {', '.join(met)}; see {folder})")
        else:
            shutil.rmtree(folder)
        number += 1
    say("  ".join(f"{stage} {counts[stage]}" for stage in STAGES))
    say(f"{counts.total()} kills, {survived} survived")
    if survived == counts.total():
        shutil.rmtree(base)
    return int(survived < counts.total())


if __name__ == "__main__":
    sys.exit(main())
