"""A process of a parallel sweep: it takes a GPU of its own, and does not outlive the sweep.

Workers do one job after another; what is settled here holds for all of them.
"""

import fcntl
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NoReturn

import torch

_SECONDS = 0.5  # between looks at the parent
_held: list[IO[str]] = []  # open files: the kernel drops their locks when the process ends
_settled = threading.Event()


def settle_in() -> None:
    """Prepare a worker for its first job; later calls do nothing.

    Must come before CUDA is initialised. Ctrl-C reaches all processes of a terminal: the parent
    answers it and ends its workers.
    """
    if _settled.is_set():
        return
    _settled.set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    devices = visible_devices()
    if len(devices) > 1:
        place = Path(tempfile.gettempdir()) / f"musicssl-{os.getuid()}"  # seen by other sweeps too
        os.environ["CUDA_VISIBLE_DEVICES"] = claim_device(devices, place)


def visible_devices() -> list[str]:
    """Name the GPUs that this process may use, as CUDA_VISIBLE_DEVICES does."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    return [str(index) for index in range(torch.cuda.device_count())]  # asks the driver, not CUDA


def claim_device(devices: Sequence[str], place: Path) -> str:
    """Take a device for the rest of this process, one that fewest other processes have taken.

    Args:
        devices: Names of the devices.
        place: Folder of the lock files, on this machine.

    Returns:
        The name of the device: nobody else's, unless all are taken.
    """
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    turn = 0
    while True:
        for device in devices:
            file = (place / f"{device.replace('/', '_')}.{turn}.lock").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            _held.append(file)
            return device
        turn += 1


def leave() -> NoReturn:
    """End this process without taking another job from the queue of a sweep that is gone."""
    sys.stdout.flush()
    os._exit(128 + signal.SIGTERM)


def _follow(parent: int) -> None:
    """End this process when its parent is gone: a killed sweep leaves nobody training."""
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)  # a run that trains saves and then ends
