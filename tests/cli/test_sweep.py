"""Sweeps as their users meet them, in processes of their own, and the parts of their callback."""

import fcntl
import json
import os
import signal
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode
from omegaconf import OmegaConf

from musicssl.cli.sweep import SweepProgress, axes, jobs_at_a_time, progress
from musicssl.errors import InputError
from tests.support.quick import slow_after
from tests.support.sweeps import completed, finish, start

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
SWEEPS = sorted(path.stem for path in (CONF / "sweep").glob("*.yaml"))


@pytest.mark.slow
def test_a_failed_job_is_reported_at_the_end_and_stops_no_other(tmp_path):
    settings = ("trainer.max_epochs=2", "data.b_s=1.0")
    status, out, err = finish(start(tmp_path, *settings, "sweep=seeds", "seed=0,1", "data.p_s=2,1"))
    assert status == 2
    first = completed(tmp_path)
    assert set(first) == {"p1.0_b1.0_s0", "p1.0_b1.0_s1"}
    assert "4 runs, 1 at a time: seed=0,1  data.p_s=2,1" in out
    assert "4 of 4 done, 2 failed: seed=1 p_s=1  AUROC 0." in out
    assert "A timeline shows" not in out + err  # as each run by itself remarks
    for seed in (0, 1):
        assert f"failed: seed={seed} p_s=2: data.p_s must be in [0, 1], got 2" in err
        assert f"/p2.0_b1.0_s{seed}" in err
    assert "Traceback" not in err
    (parent,) = {path.parent.parent for path in tmp_path.rglob("metrics.json")}
    assert "seeds" not in parent.name
    assert f"python -m musicssl.report {parent.relative_to(tmp_path)}" in out

    status, out, err = finish(start(tmp_path, "-m", *settings, "seed=0,1,2", "data.p_s=1"))
    assert status == 0, err
    again = completed(tmp_path)
    assert {name: again[name] for name in first} == first
    assert set(again) - set(first) == {"p1.0_b1.0_s2"}
    assert out.count("(was complete)") == 2
    assert "training clips keep labels" not in out.partition("2 of 3 done")[0]  # no corpus loaded


@pytest.mark.slow
def test_a_killed_parallel_sweep_leaves_nobody_training_and_goes_on(tmp_path):
    command = ("trainer.max_epochs=30", "sweep=seeds", "seed=0,1,2", "launcher=joblib", "jobs=2")
    sweep = start(tmp_path, *command)
    wait_until(lambda: completed(tmp_path), 120)
    sweep.send_signal(signal.SIGKILL)
    finish(sweep)
    wait_until(lambda: all(map(is_free, run_folders(tmp_path))), 30)
    first = completed(tmp_path)
    assert 1 <= len(first) < 3

    status, out, err = finish(start(tmp_path, *command))
    assert status == 0, err
    again = completed(tmp_path)
    assert len(again) == 3
    assert {name: again[name] for name in first} == first
    assert out.count("(was complete)") == len(first)
    assert "3 of 3 done: " in out
    assert "epoch " not in out  # but in each run's log
    logs = [folder / "log.txt" for folder in run_folders(tmp_path)]
    assert all("epoch 29/29" in log.read_text() for log in logs)


@pytest.mark.slow
def test_a_sweep_in_which_every_job_fails_says_so(tmp_path):
    overrides = ("name=y_${hydra:runtime.choices.method}", "seed=0,1", "optimizer.lr=abc")
    status, out, err = finish(start(tmp_path, "-m", *overrides))
    assert status == 2
    assert "2 runs, 1 at a time: seed=0,1" in out
    for seed in (0, 1):
        assert f"failed: seed={seed}: optimizer.lr must be a number such as 0.001" in err
    assert "Compare them" not in out
    assert "Traceback" not in err


def run_folders(folder: Path) -> list[Path]:
    return [path.parent for path in folder.rglob("config.yaml")]


def is_free(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def composed(*overrides):
    """The configuration of a sweep and its axes."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("train", list(overrides), RunMode.MULTIRUN)
        return config, axes(config)


@pytest.mark.parametrize("sweep", slow_after(1, SWEEPS))
def test_every_sweep_varies_settings_that_exist(sweep):
    config, found = composed(f"sweep={sweep}")
    assert config.hydra.mode == RunMode.MULTIRUN
    for key, values in found.items():
        assert len(set(values)) == len(values) > 1
        for value in values:
            with initialize_config_dir(str(CONF), version_base="1.3"):
                # A choice that belongs to a method needs one that takes it.
                first = [f"{k}={v[0]}" for k, v in found.items() if k != key]
                corpus = ["dataset=esc10"] if "dataset.fold" in found else []
                compose("train", [f"sweep={sweep}", *corpus, *first, f"{key}={value}"])


def test_label_fraction_is_figure_5_3():
    _, found = composed("sweep=label_fraction")
    assert found == {
        "method": ["att", "mean_teacher"],
        "data.p_s": ["0.01", "0.02", "0.04", "0.08", "0.16", "0.32"],
        "seed": ["0", "1", "2"],
    }


def test_dgm_grid_is_table_4_1():
    config, found = composed("sweep=dgm_grid")
    assert {key: [float(value) for value in values] for key, values in found.items()} == {
        "method.beta": [16, 32, 64],
        "optimizer.lr": [9e-5, 1e-4, 2e-4],
        "method.h1": [256, 512],
        "method.h3": [0, 256],
        "seed": [0, 1, 2, 3, 4],
    }
    assert config.method._target_ == "musicssl.methods.dgm.DeepGenerativeModel"
    assert config.method.h2 == 256
    assert config.method.classifier_hidden == [512, 512, 128]  # the same at all points


@pytest.mark.parametrize("sweep", ["batch_mix", "severity"])
def test_an_experiment_and_the_command_line_choose_the_method_of_a_sweep(sweep):
    config, found = composed(f"sweep={sweep}", "experiment=synthband_semisupcon", "data.p_s=0.1")
    assert config.method._target_ == "musicssl.methods.semisupcon.SemiSupCon"
    assert (config.data.p_s, config.data.b_s) == (0.1, 0.5)
    assert "method" not in found
    config, _ = composed(f"sweep={sweep}", "experiment=synthband_semisupcon", "method=vicreg")
    assert config.method._target_ == "musicssl.methods.vicreg.VICReg"
    own = {"batch_mix": "mean_teacher", "severity": "semisupcon"}[sweep]
    assert composed(f"sweep={sweep}")[0].method._target_.split(".")[2] == own


def test_the_command_line_has_the_last_word_on_an_axis():
    _, found = composed("sweep=label_fraction", "method=att", "seed=range(4)", "data.b_s=0.5,1")
    assert "method" not in found
    assert found["seed"] == ["0", "1", "2", "3"]
    assert found["data.b_s"] == ["0.5", "1"]
    assert len(found["data.p_s"]) == 6


def test_how_a_run_was_started_is_not_in_the_name_of_its_folder():
    words = ["sweep=seeds", "launcher=joblib", "jobs=3", "encoder.dropout=0.1"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", words, return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    assert config.hydra.sweep.subdir == "att/synthband/encoder.dropout-0.1/p1.0_b1.0_s0"


@pytest.mark.parametrize(("jobs", "expected"), [("3", 3), ("1", 1), ("-1", os.cpu_count())])
def test_jobs_at_a_time(monkeypatch, jobs, expected):
    monkeypatch.setattr("musicssl.cli.sweep.cpu_count", os.cpu_count)
    config, _ = composed("launcher=joblib", f"jobs={jobs}")
    assert jobs_at_a_time(config.hydra.launcher) == expected
    assert config.threads is None  # the share that joblib gives it


def test_one_job_at_a_time_without_a_launcher():
    assert jobs_at_a_time(composed("sweep=seeds")[0].hydra.launcher) == 1


@pytest.mark.parametrize("jobs", ["0", "two", "1.5"])
def test_jobs_must_be_a_number(jobs):
    config, _ = composed("launcher=joblib", f"jobs={jobs}")
    with pytest.raises(InputError, match="jobs"):
        jobs_at_a_time(config.hydra.launcher)


def record(state, mistake=False, number=0):
    return {
        **{"number": number, "label": f"att p_s=0.{number}", "folder": f"/runs/a/p0.{number}"},
        **{"state": state, "seconds": 60.0, "result": "" if state == "failed" else "AUROC 0.750"},
        **{"cause": "it [broke]." if state == "failed" else "", "mistake": mistake},
    }


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        ([record("trained"), record("was complete")], None),
        ([record("trained"), record("failed", mistake=True)], 2),
        ([record("failed", mistake=True), record("failed")], 1),
    ],
)
def test_the_status_tells_mistakes_from_defects(tmp_path, capsys, ended, status):
    sweep = SweepProgress()
    sweep.journal = tmp_path / "journal"
    sweep.journal.write_text("".join(json.dumps(line) + "\n" for line in ended))
    if status is None:
        sweep.on_multirun_end(OmegaConf.create())
    else:
        with pytest.raises(SystemExit) as exit_:
            sweep.on_multirun_end(OmegaConf.create())
        assert exit_.value.code == status
    captured = capsys.readouterr()
    assert captured.out.count("0.750") == sum(line["state"] != "failed" for line in ended)
    assert captured.err.count("it [broke].") == sum(line["state"] == "failed" for line in ended)


@pytest.mark.parametrize("action", ["on_multirun_start", "on_multirun_end"])
def test_a_defect_of_the_callback_ends_the_sweep(capsys, action):
    """SystemExit, for Hydra makes a mere warning of any other exception."""
    with pytest.raises(SystemExit) as exit_:
        getattr(SweepProgress(), action)(OmegaConf.create())  # without all that it reads
    assert exit_.value.code == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [(InputError("mend this."), 2, "error: mend this."), (KeyError("x"), 1, "Traceback")],
)
def test_a_job_that_ends_without_an_outcome_ends_the_sweep(tmp_path, capsys, error, status, said):
    sweep = SweepProgress()
    sweep.journal = tmp_path / "journal"
    job = JobReturn(status=JobStatus.FAILED)
    job.return_value = error
    with pytest.raises(SystemExit) as exit_:
        sweep.on_job_end(OmegaConf.create(), job)
    assert exit_.value.code == status
    assert said in capsys.readouterr().err


def test_only_folders_with_a_result_are_to_be_compared(tmp_path, capsys):
    sweep = SweepProgress()
    sweep.journal = tmp_path / "journal"
    good = record("trained") | {"folder": "/runs/[a]/p0.1"}
    bad = record("failed", mistake=True) | {"folder": "/runs/b/p0.1"}
    sweep.journal.write_text("".join(json.dumps(line) + "\n" for line in (good, bad)))
    with pytest.raises(SystemExit):
        sweep.on_multirun_end(OmegaConf.create())
    assert "python -m musicssl.report '/runs/[a]'\n" in capsys.readouterr().out


def test_what_a_name_refers_to_may_exist_in_a_job_alone():
    assert composed("name=y_${hydra:job.num}", "seed=0,1")[1] == {"seed": ["0", "1"]}


@pytest.mark.parametrize(
    ("states", "jobs", "expected"),
    [
        (["trained"], 1, "1 of 9 done, about 8 min left"),
        (["trained"], 4, "1 of 9 done, about 2 min left"),
        (["was complete"] * 3, 1, "3 of 9 done"),  # nothing to tell the time by
        (["failed", "was complete", "trained"], 1, "3 of 9 done, 1 failed, about 6 min left"),
        (["trained"] * 9, 2, "9 of 9 done"),
    ],
)
def test_progress(states, jobs, expected):
    assert progress([record(state) for state in states], 9, jobs) == expected
