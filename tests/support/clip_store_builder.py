"""Thirty synthetic clips; as a script: build their store, waiting at one until a file appears."""

import sys
import time
from pathlib import Path

import numpy as np

from musicssl.audio.store import build_store
from musicssl.audio.unreadable import UnreadableAudioError

RATE = 8_000
NAMES = [f"clip {number}" for number in range(30)]
UNREADABLE, GATED = "clip 7", "clip 21"


def clip(name):
    """Noise of a length of its own."""
    number = int(name.split()[1])
    if name == UNREADABLE:
        raise UnreadableAudioError(Path(name), "is the seventh")
    samples = np.random.default_rng(number).uniform(-1, 1, 100 + 37 * number)
    return samples.astype(np.float32)


def build(folder, gate):
    """Say what is decoded, and how many clips the store has in the end."""

    def slow(name):
        print(name, flush=True)
        while name == GATED and not gate.exists():
            time.sleep(0.01)
        return clip(name)

    print("started", flush=True)
    print(len(build_store(folder, NAMES, slow, RATE, num_workers=1).clip_ids))


if __name__ == "__main__":
    build(*map(Path, sys.argv[1:]))
