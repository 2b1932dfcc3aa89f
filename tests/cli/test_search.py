"""Searches with Optuna. Oracle: an objective whose best settings are known."""

import json
import math
import subprocess
import sys
from dataclasses import dataclass

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hydra_plugins.musicssl_search import OptunaSweeper, search_space
from musicssl.errors import InputError
from tests.support.commands import ROOT, shell

ARGUMENTS = ["x=interval(-1.0,3.0)", "kind=choice(a,b)", "seed=4"]


@dataclass
class Returned:
    """What Hydra's launchers return of a job."""

    return_value: float


class Jobs:
    """A launcher whose jobs reach -(x - 1)^2, and 1 less with kind=b."""

    def __init__(self, fails=lambda number: False):
        self.fails, self.settings = fails, []

    def launch(self, jobs, initial_job_idx):
        assert initial_job_idx == len(self.settings)
        returned = []
        for overrides in jobs:
            settings = dict(one.split("=") for one in overrides)
            self.settings.append(settings)
            value = -((float(settings["x"]) - 1) ** 2) - (settings["kind"] == "b")
            failed = self.fails(len(self.settings) - 1)
            returned.append(Returned(math.nan if failed else value))
        return returned


def search(journal, jobs, trials=30, at_once=1, arguments=ARGUMENTS):
    sweeper = OptunaSweeper(trials, at_once, str(journal), "search", seed=0)
    sweeper._launcher = jobs  # what setup() has Hydra build
    sweeper.sweep(arguments)
    return jobs.settings


def test_a_search_comes_near_the_best_settings(tmp_path, capsys):
    settings = search(tmp_path / "a" / "study.log", Jobs())
    assert len(settings) == 30
    assert all(one["seed"] == "4" and -1 <= float(one["x"]) <= 3 for one in settings)
    best = capsys.readouterr().out
    assert "Best of 30 trials" in best
    found = dict(part.split("=") for part in best.split(": ")[1].split())
    assert found["kind"] == "a"
    assert float(found["x"]) == pytest.approx(1, abs=0.2)


def test_a_search_goes_on_and_does_not_draw_the_same_again(tmp_path, capsys):
    journal = tmp_path / "study.log"
    first = search(journal, Jobs(), trials=3)
    second = search(journal, Jobs(), trials=8)
    assert (len(first), len(second)) == (3, 5)
    assert len({one["x"] for one in first + second}) == 8
    capsys.readouterr()
    assert search(journal, Jobs(), trials=8) == []
    assert "Best of 8 trials" in capsys.readouterr().out


def test_trials_are_drawn_together(tmp_path):
    rounds = []
    jobs = Jobs()
    launch = jobs.launch
    jobs.launch = lambda some, **kw: (rounds.append(len(some)), launch(some, **kw))[1]
    search(tmp_path / "study.log", jobs, trials=7, at_once=3)
    assert rounds == [3, 3, 1]


def test_failed_trials_do_not_count_and_a_round_of_them_ends_the_search(tmp_path, capsys):
    some = search(tmp_path / "some.log", Jobs(lambda number: number % 3 == 1), trials=6, at_once=2)
    assert len(some) == 6 + 3
    assert len(search(tmp_path / "all.log", Jobs(lambda number: True), trials=6, at_once=2)) == 2
    assert "Best of 6 trials" in capsys.readouterr().out


def test_the_trial_of_a_process_that_died_is_tried_again_first(tmp_path):
    journal = tmp_path / "study.log"
    command = f"""
import os
from tests.cli.test_search import Jobs, search
jobs = Jobs()
launch = jobs.launch
def last(some, initial_job_idx):
    if initial_job_idx == 2:
        print(some[0], flush=True)
        os._exit(9)
    return launch(some, initial_job_idx)
jobs.launch = last
search({str(journal)!r}, jobs, trials=5)
"""
    died = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert died.returncode == 9, died.stderr
    overrides = json.loads(died.stdout.strip().replace("'", '"'))
    settings = search(journal, Jobs(), trials=5)
    assert len(settings) == 3
    assert {f"{key}={value}" for key, value in settings[0].items()} == set(overrides)


def test_what_is_searched():
    space, fixed = search_space(
        [
            "a=int(interval(1,8))",
            "b=tag(log,interval(0.001,0.1))",
            "c=0.1,0.2",
            "d=range(3)",
            "e=[1,2]",
            "+f='x,y'",
            "c=choice(0.3,x)",
        ]
    )
    assert space == {
        "a": IntDistribution(1, 8),
        "b": FloatDistribution(0.001, 0.1, log=True),
        "c": CategoricalDistribution(["0.3", "x"]),
        "d": CategoricalDistribution(["0", "1", "2"]),
    }
    assert fixed == ["e=[1,2]", "+f='x,y'"]
    with pytest.raises(InputError, match="nothing to search"):
        search_space(["seed=1"])


@pytest.mark.slow
def test_a_command_searches_and_reports(tmp_path):
    """Oracle: the validation scores in the folders of the runs."""
    words = (
        "dataset.num_clips=60 dataset.clip_seconds=2 trainer.max_steps=100 logger=none trainer=cpu"
    )
    search = ("sweep=optuna", "optimizer.lr=interval(1e-4,1e-2)", "hydra.sweeper.trials=2")
    done = shell(ROOT, *search, f"runs={tmp_path}", *words.split())
    assert done.returncode == 0, done.stderr
    scores = [
        json.loads(file.read_text())["validation"]["macro"]["auroc"]
        for file in tmp_path.rglob("metrics.json")
    ]
    assert len(scores) == 2
    assert f"Best of 2 trials, {max(scores):.4f} on validation: optimizer.lr=" in done.stdout
