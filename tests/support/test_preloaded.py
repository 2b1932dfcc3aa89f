"""A command that is forked is the process that Python would have started."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.support.preloaded import ROOT, Command, Forked, Started, can_fork, run

pytestmark = pytest.mark.slow

TELL = """
import atexit, json, os, sys
atexit.register(print, "goodbye")
print("numbers", len(os.listdir("/proc/self/fd")))
print("errors", file=sys.stderr)
print(json.dumps({
    "name": __name__, "file": __file__, "argv": sys.argv, "path": sys.path, "cwd": os.getcwd(),
    "spec": str(__spec__), "main": sys.modules["__main__"].__file__, "names": sorted(globals()),
    "environment": dict(os.environ), "tty": sys.stdout.isatty(), "torch": "torch" in sys.modules,
    "leader": os.getpid() == os.getsid(0),
}))
raise SystemExit(7)
"""


def test_it_is_the_process_that_python_would_have_started(tmp_path):
    script = tmp_path / "tell.py"
    script.write_text(TELL)
    settings = {"cwd": tmp_path, "start_new_session": True}
    forked = run(str(script), "a b", "--c", extra_env={"X": "ä"}, **settings)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    started = subprocess.run(
        [sys.executable, str(script), "a b", "--c"],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "X": "ä"},
        capture_output=True,
        text=True,
        check=False,
        **settings,
    )
    assert forked.returncode == started.returncode == 7
    assert forked.stderr == started.stderr == "errors\n"
    ours, theirs = (done.stdout.splitlines() for done in (forked, started))
    told, expected = json.loads(ours.pop(1)), json.loads(theirs.pop(1))
    assert (told.pop("torch"), expected.pop("torch")) == (True, False)
    assert told == expected
    assert ours == theirs


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("import time; print('on', flush=True); time.sleep(60)", -signal.SIGTERM, ""),
        ("print('on', flush=True); raise KeyError('x')", 1, "KeyError: 'x'"),
        ("print('on', flush=True)", 0, ""),
    ],
)
@pytest.mark.parametrize("kind", [Forked, Started])
def test_its_end_is_known(tmp_path, kind, code, status, said):
    (tmp_path / "end.py").write_text(code)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = kind(str(tmp_path / "end.py"), cwd=tmp_path, **pipes)
    assert process.stdout.readline() == "on\n"
    if status < 0:
        assert process.poll() is None
        process.send_signal(-status)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == process.poll() == status
    assert said in errors


def test_another_python_starts_plain_processes():
    assert can_fork(subprocess.Popen)
    assert Command is Forked
    assert not can_fork(object)

    class Other(subprocess.Popen):
        def _execute_child(self, args, executable, environment):
            """Take other values than those of today."""

    assert not can_fork(Other)


def test_numbers_that_nobody_seeded_differ(tmp_path):
    (tmp_path / "draw.py").write_text(
        "import random\nimport numpy as np\nprint(random.random(), np.random.rand())"
    )
    first, second = (run(str(tmp_path / "draw.py"), cwd=tmp_path).stdout.split() for _ in range(2))
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_modules_run_too(tmp_path):
    done = run("-m", "musicssl.report", "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: " in done.stderr
