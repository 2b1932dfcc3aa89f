"""Try damaged files in a process with little memory, and say what became of each.

A file that is neither read nor refused with one sentence is unexplained: another exception, one
that wants more memory or time than a small file is worth, or the end of the process.
"""

import json
import mmap
import os
import random
import resource
import signal
import struct
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musicssl import limits
from musicssl.errors import InputError
from tests.support.fuzzing.readers import READERS

MEMORY = 512 << 20  # bytes that reading may take
SMALL = 32 << 20  # bytes that a file may unpack to here, instead of a gigabyte
MOST_SECONDS = 5.0  # of computing, for one file
HANGS = 60.0  # seconds without progress
_PROGRESS = struct.Struct("qqq")  # the number being tried, how many were read, how many refused


@dataclass
class Counts:
    """What became of the inputs of a reader.

    Attributes:
        tried: Inputs so far; the next one has this number.
        read: Those that were read.
        refused: Those that were refused with a sentence.
        unexplained: What happened at the others, by their numbers.
    """

    tried: int = 0
    read: int = 0
    refused: int = 0
    unexplained: dict[str, str] = field(default_factory=dict)


class Files:
    """The valid files of a reader in a folder, and their damaged copies.

    Args:
        name: Of the reader.
        folder: Empty, and in memory if possible.
        seed: Of all damage.

    Attributes:
        valid: How each file may be damaged, and its content, by its path.
        known: Inputs of numbers that are not to be made anew: which file, and its content.
    """

    def __init__(self, name: str, folder: Path, seed: int = 0) -> None:
        self.name, self.folder, self._seed = name, folder, seed
        folder.mkdir(parents=True)
        self.valid = {
            file: (damages, (folder / file).read_bytes())
            for file, damages in READERS[name].prepare(folder).items()
        }
        self.known: dict[int, tuple[str, bytes]] = {}
        self._times = time.time_ns()

    def damaged(self, number: int) -> tuple[str, bytes]:
        """Return which file the input of a number damages, and its content."""
        if number in self.known:
            return self.known[number]
        rng = random.Random(f"{self._seed} {self.name} {number}")
        file = rng.choice(list(self.valid))
        damages, content = self.valid[file]
        return file, rng.choice(damages)(content, rng)

    def outcome(self, file: str, content: bytes) -> str:
        """Put a content into a file and read it; return "read", "refused" or what is wrong."""
        path = self.folder / file
        path.write_bytes(content)
        self._times += 1_000_000  # readers that remember files know them by size and time
        os.utime(path, ns=(self._times, self._times))
        began = time.process_time()
        try:
            READERS[self.name].read(self.folder, file)
            found = "read"
        except InputError as error:
            found = "refused" if "\n" not in str(error).strip() else f"several lines: {error}"
        except Exception as error:  # noqa: BLE001 whatever it is, it is unexplained
            found = f"{type(error).__name__}: {error}"[:300]
        finally:
            path.write_bytes(self.valid[file][1])
        if (seconds := time.process_time() - began) > MOST_SECONDS:
            found = f"takes {seconds:.0f} s"
        return found

    def try_more(self, counts: Counts, stop: int) -> None:
        """Try inputs up to a number, each process going on behind the one that another ended at."""
        while counts.tried < stop:
            shared = mmap.mmap(-1, _PROGRESS.size)
            reported, report = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reported)
                self._try_in_here(range(counts.tried, stop), shared, report)
            os.close(report)
            with os.fdopen(reported, "rb") as lines:
                status = _waited_for(child, shared)
                counts.unexplained |= dict(map(json.loads, lines))
            number, read, refused = _PROGRESS.unpack(shared[:])
            counts.read, counts.refused = counts.read + read, counts.refused + refused
            counts.tried = stop if status == 0 else number + 1
            if status:
                what = f"ends the process with status {status}"
                counts.unexplained[str(number)] = f"{self.damaged(number)[0]}: {what}"

    def _try_in_here(self, numbers: range, shared: mmap.mmap, report: int) -> None:
        """Try inputs and end this process, which was made for it."""
        status = 1
        try:
            _restrict()
            read = refused = 0
            for number in numbers:
                shared[:] = _PROGRESS.pack(number, read, refused)
                file, content = self.damaged(number)
                found = self.outcome(file, content)
                read, refused = read + (found == "read"), refused + (found == "refused")
                if found not in ("read", "refused"):
                    os.write(report, json.dumps([str(number), f"{file}: {found}"]).encode() + b"\n")
            shared[:] = _PROGRESS.pack(numbers.stop, read, refused)
            status = 0
        finally:
            os._exit(status)


def _restrict() -> None:
    """Let this process have little memory, and say nothing."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    warnings.simplefilter("ignore")
    limits.LARGE = SMALL
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _waited_for(child: int, shared: mmap.mmap) -> int:
    """Return the status of a process; one that hangs is killed."""
    last: tuple[Any, float] = None, 0.0
    while True:
        number, status = os.waitpid(child, os.WNOHANG)
        if number:
            return os.waitstatus_to_exitcode(status)
        now, progress = time.monotonic(), shared[:]
        if progress != last[0]:
            last = progress, now
        elif now - last[1] > HANGS:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
