"""Commands in processes of their own that need not import torch, Lightning and Hydra again.

A server imports them once and forks for each command. What it forks is a process like any other:
it has its own arguments, environment, folder, output, signals and exit status. Its pictures are
blank where those of the test are. What a process does while it imports is not tested this way;
`subprocess` is for that.

A command is a `subprocess.Popen` whose inner methods for starting and waiting are replaced. In a
Python that has other ones, commands are plain processes.
"""

import atexit
import gc
import importlib
import inspect
import json
import os
import selectors
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from tests.support import pictures

ROOT = Path(__file__).parents[2]
MODULES = (
    *("musicssl.cli.main", "musicssl.cli.train", "musicssl.cli.training"),
    *("musicssl.cli.probe", "musicssl.cli.probing", "musicssl.report.__main__"),
    *("musicssl.methods.mean_teacher", "musicssl.methods.dgm", "musicssl.methods.semisupcon"),
    *("musicssl.encoders.att", "musicssl.encoders.samplecnn", "musicssl.datasets.synthband"),
    *("hydra._internal.core_plugins", "hydra._internal.hydra"),
    *("hydra_plugins.hydra_joblib_launcher.joblib_launcher", "torch.utils.data"),
    *("hydra_plugins.musicssl_search", "hydra_plugins.musicssl_stacked"),
    *("matplotlib.backends.backend_agg", "PIL.PngImagePlugin", "fsspec.implementations.local"),
)
_ENDED = struct.Struct("i")
_SERVER = "from tests.support.preloaded import serve; exec(serve({}))"
_FDS = 4  # standard input, output and errors, and where to write the process's number and status


class Started(subprocess.Popen[str]):
    """`python SCRIPT ...` or `python -m MODULE ...`, as Python starts it.

    Args:
        words: The script or `-m` and the module, and what follows.
        extra_env: Variables beside those of this process; musicssl is that of this repository.
        settings: `cwd`, `stdin`, `stdout`, `stderr` and `start_new_session` of `subprocess.Popen`.
    """

    _program: tuple[str, ...] = (sys.executable,)

    def __init__(self, *words: str, extra_env: Mapping[str, str] | None = None, **settings: Any):
        path = os.pathsep.join([str(ROOT), *_python_path()])
        env = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | (extra_env or {})
        super().__init__([*self._program, *words], env=env, text=True, **settings)


class Forked(Started):
    """The same, forked from a server that has imported all; see `can_fork`."""

    _program = ()

    def _execute_child(self, *values: Any) -> None:
        given = dict(zip(_names_of(subprocess.Popen), values, strict=False))
        pipes = [given["p2cread"], given["c2pwrite"], given["errwrite"]]
        self._status, theirs = socket.socketpair()
        wanted = {
            "words": given["args"],
            "cwd": str(given["cwd"] or Path.cwd()),
            "env": dict(given["env"]),
            "blank_pictures": pictures.are_blank(),
            "new_session": given["start_new_session"],
        }
        fds = [fd if fd >= 0 else own for own, fd in enumerate(pipes)]
        socket.send_fds(_server(), [json.dumps(wanted).encode()], [*fds, theirs.fileno()])
        theirs.close()
        [self.pid] = _ENDED.unpack(self._status.recv(_ENDED.size))
        self._child_created = True
        for fd in {fd for fd in pipes if fd >= 0}:
            os.close(fd)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        flags = socket.MSG_DONTWAIT if wait_flags & os.WNOHANG else 0
        try:
            ended = self._status.recv(_ENDED.size, flags)
        except BlockingIOError:
            return 0, 0
        self._status.close()
        return self.pid, *_ENDED.unpack(ended)

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid:
                self._handle_exitstatus(status)
        return self.returncode


def _names_of(popen: Any) -> list[str]:
    """Return the names of what the method that starts a process is given, in their order."""
    return list(inspect.signature(popen._execute_child).parameters)[1:]


def can_fork(popen: Any) -> bool:
    """Whether a class has the inner methods of `subprocess.Popen` that `Forked` is written for."""
    methods = ("_execute_child", "_try_wait", "_internal_poll", "_handle_exitstatus")
    if not all(callable(getattr(popen, name, None)) for name in methods):
        return False
    given = {"args", "cwd", "env", "start_new_session", "p2cread", "c2pwrite", "errwrite"}
    return given <= set(_names_of(popen))


Command: type[Started] = Forked if can_fork(subprocess.Popen) else Started


def run(*words: str, timeout: float = 300, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` does, and keep what it prints."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Command(*words, **(pipes | settings)) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@cache
def _server() -> socket.socket:
    """Start the server of this process, which ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER.format(theirs.fileno())],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    theirs.close()
    atexit.register(_end, ours, process)
    return ours


def _end(server: socket.socket, process: subprocess.Popen[bytes]) -> None:
    server.close()
    process.wait()


def serve(fd: int) -> CodeType | str:
    """Fork for each request; return in a fork, with the code it shall run, or at the end."""
    for module in MODULES:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    requests = socket.socket(fileno=fd)
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is not requests:
                _report_end(selector, key)
                continue
            message, fds, _, _ = socket.recv_fds(requests, 1 << 20, _FDS)
            if not message:
                return ""
            pid = os.fork()
            if pid == 0:
                _close_all(selector)
                return _become(json.loads(message), fds)
            status = socket.socket(fileno=fds.pop())
            status.send(_ENDED.pack(pid))
            for one in fds:
                os.close(one)
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))


def _close_all(selector: selectors.BaseSelector) -> None:
    """Close what belongs to the server."""
    for key in list(selector.get_map().values()):
        if key.data is None:
            key.fileobj.close()
        else:
            os.close(key.fd)
            key.data[1].close()
    selector.close()


def _report_end(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    pid, status = key.data
    _, code = os.waitpid(pid, 0)
    selector.unregister(key.fileobj)
    os.close(key.fd)
    with status, suppress(BrokenPipeError):  # nobody may wait for it
        status.send(_ENDED.pack(code))


def _become(wanted: dict[str, Any], fds: list[int]) -> CodeType:
    """Make this process what `python WORDS` would be; return the code that it shall run."""
    for own, fd in enumerate(fds[:3]):
        os.dup2(fd, own)
    for fd in fds:
        os.close(fd)
    if wanted["new_session"]:
        os.setsid()
    os.chdir(wanted["cwd"])
    added = len(_python_path())
    del sys.path[: 1 + added]
    os.environ.clear()
    os.environ.update(wanted["env"])
    sys.path[:0] = _python_path()
    pictures.leave_blank(wanted["blank_pictures"])
    np.random.seed()
    return program(*wanted["words"])


def _python_path() -> list[str]:
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return list(dict.fromkeys(filter(None, named)))  # each once, as Python takes them


def program(script: str, *arguments: str) -> CodeType:
    """Return what Python would run, with its arguments and the first place of its imports set."""
    main = vars(sys.modules["__main__"])
    for name in [name for name in main if not name.startswith("__")]:
        del main[name]
    sys.orig_argv = [sys.executable, script, *arguments]
    if script == "-m":
        sys.path.insert(0, str(Path.cwd()))
        sys.argv = list(arguments)
        run = "import runpy; runpy.run_module({!r}, run_name='__main__', alter_sys=True)"
        return compile(run.format(arguments[0]), "-m", "exec")
    sys.path.insert(0, str(Path(script).parent))
    sys.argv = [script, *arguments]
    main |= {"__file__": script, "__cached__": None, "__annotations__": {}}
    return compile(Path(script).read_bytes(), script, "exec")
