"""Commands beside a small disk in memory, which only they see: `small_disk.py SIZE STEP ...`.

A step is in JSON: the words of a command of musicssl, whose exit status is printed, or a line of a
shell. In the end the disk is copied to `kept`. Where a user may not mount disks, the status is 77.
"""

import ctypes
import json
import os
import subprocess
import sys
from types import CodeType

from tests.support.preloaded import program

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000  # of linux/sched.h
NOT_ALLOWED = 77


def mounted(size: str) -> bool:
    """Mount an empty disk at `disk`, in a name space whose root is the user; say whether it is."""
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(_NEW_USER | _NEW_MOUNTS):
        return False
    for name, text in (
        *(("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 one write, as the kernel wants
            file.write(text)
    os.mkdir("disk")  # noqa: PTH102
    return shell(f"mount -t tmpfs -o size={size} none disk") == 0


def shell(line: str) -> int:
    return subprocess.run(["bash", "-c", line], check=False).returncode


def main(size: str, *steps: str) -> CodeType | str:
    """Take all steps, whatever becomes of each; return what a command's own process shall run."""
    if not mounted(size):
        sys.exit(NOT_ALLOWED)
    for step in map(json.loads, steps):
        if isinstance(step, str):
            shell(step)
        else:
            child = os.fork()
            if child == 0:
                return program(*step)
            _, status = os.waitpid(child, 0)
            print("status", os.waitstatus_to_exitcode(status), flush=True)
    shell("mount -o remount,rw,size=9m disk; cp -r disk kept")
    return ""


if __name__ == "__main__":
    exec(main(*sys.argv[1:]))
