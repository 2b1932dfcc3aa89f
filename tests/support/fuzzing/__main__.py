"""Try damaged files on all readers, count them, and go on from there the next time.

    python -m tests.support.fuzzing --inputs 1000000

All readers get the same number of inputs, in turns. The counts are kept in a folder, and so is each
input that is unexplained, which is tried first the next time. Those are mistakes of musicssl; with
one of them left the command ends with status 1.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.support.fuzzing.readers import READERS
from tests.support.fuzzing.trials import Counts, Files

TURN = 500  # inputs of a reader at a time
STATE = "counts.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Try inputs until there were as many as asked for; return 1 if one is unexplained."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.fuzzing", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="in all, with those before")
    parser.add_argument("--readers", nargs="+", choices=READERS, default=[*READERS])
    parser.add_argument("--kept", type=Path, default=Path("build/fuzz"), help="folder of counts")
    given = parser.parse_args(arguments)
    given.kept.mkdir(parents=True, exist_ok=True)
    counts = read_counts(given.kept)
    memory = Path("/dev/shm")
    place = tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None)
    try:
        files = {name: Files(name, Path(place) / str(n)) for n, name in enumerate(given.readers)}
        try_again(files, counts, given.kept)
        each = -(-given.inputs // len(files))
        while any(counts[name].tried < each for name in files):
            for name, one in files.items():
                one.try_more(counts[name], min(each, counts[name].tried + TURN))
                keep(one, counts, given.kept)
            say_progress(counts)
    finally:
        shutil.rmtree(place)
    print(table(counts))
    return int(any(count.unexplained for count in counts.values()))


def read_counts(kept: Path) -> dict[str, Counts]:
    """Return the counts of all readers, as the last call left them."""
    state = kept / STATE
    stored = json.loads(state.read_text()) if state.is_file() else {}
    return {name: Counts(**stored.get(name, {})) for name in READERS}


def keep(files: Files, counts: Mapping[str, Counts], kept: Path) -> None:
    """Store the counts, and the inputs of a reader that are unexplained."""
    for number in counts[files.name].unexplained:
        path = kept / files.name / number
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(files.damaged(int(number))[1])
    part = kept / f"{STATE}.part"
    part.write_text(json.dumps({name: asdict(count) for name, count in counts.items()}, indent=1))
    part.replace(kept / STATE)


def try_again(files: Mapping[str, Files], counts: Mapping[str, Counts], kept: Path) -> None:
    """Try the inputs that were unexplained, which may have been mended."""
    for name, one in files.items():
        count = counts[name]
        for number in list(count.unexplained):
            stored, again = kept / name / number, Counts(tried=int(number))
            file = count.unexplained[number].partition(": ")[0]
            one.known[int(number)] = file, stored.read_bytes()
            one.try_more(again, int(number) + 1)
            del count.unexplained[number]
            count.read, count.refused = count.read + again.read, count.refused + again.refused
            count.unexplained |= again.unexplained
            if not again.unexplained:
                stored.unlink()
        keep(one, counts, kept)


def say_progress(counts: Mapping[str, Counts]) -> None:
    """Print how many there were, on one line that is written again and again on a terminal."""
    tried = sum(count.tried for count in counts.values())
    unexplained = sum(len(count.unexplained) for count in counts.values())
    end = "\r" if sys.stdout.isatty() else "\n"
    print(f"{tried:,} inputs, {unexplained} unexplained", end=end, flush=True)


def table(counts: Mapping[str, Counts]) -> str:
    """Return the counts by reader, the sum, and what is unexplained."""
    lines = [f"{'':22}{'tried':>11}{'read':>11}{'refused':>11}{'unexplained':>13}"]
    for name, count in counts.items():
        numbers = f"{count.tried:11,}{count.read:11,}{count.refused:11,}"
        lines.append(f"{name:22}{numbers}{len(count.unexplained):13}")
    tried = sum(count.tried for count in counts.values())
    unexplained = sum(len(count.unexplained) for count in counts.values())
    for name, count in counts.items():
        number_of = {what: number for number, what in reversed(count.unexplained.items())}
        times = Counter(count.unexplained.values())
        lines += [f"{name}, {number_of[what]}: {what} ({times[what]} times)" for what in times]
    return "\n".join([*lines, f"{tried:,} inputs, {unexplained} unexplained"])


if __name__ == "__main__":
    sys.exit(main())
