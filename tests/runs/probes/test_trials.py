"""Oracles: the nesting and number of draws, and the rows of the corpus themselves."""

from typing import ClassVar

import numpy as np
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.probing.base import FittedProbe
from musicssl.runs.probes.trials import draws, embeddings_of, fit_all
from tests.support.tiny import Tiny

CPU = torch.device("cpu")


def datamodule():
    module = SemiSupervisedDataModule(Tiny(num_instances=1), batch_size=16)
    module.setup()
    return module


def test_draws_nest_and_those_that_are_the_same_are_one():
    found = draws(datamodule(), (0.01, 0.1, 1.0), (0, 1, 2))
    assert [(draw.p_s, draw.seed) for draw in found if draw.p_s > 0.01] == [
        (0.1, 0),
        (0.1, 1),
        (0.1, 2),
        (1.0, 0),
    ]
    assert [len(draw.rows) for draw in found] == [1, 1, 1, 8, 8, 8, 84]
    for seed in range(3):
        few, more, _ = (
            {*draw.rows} for draw in (*(d for d in found[:6] if d.seed == seed), found[6])
        )
        assert few < more < {*found[6].rows}
    assert found[3].rows.tolist() != found[4].rows.tolist()


class Recorder:
    """A probe that notes what it is given, and answers 0."""

    seen: ClassVar[list] = []

    def fit(self, train, subsets, val, task):
        self.seen.append((train, subsets, val, task))
        judges = [lambda h, k=k: torch.full((len(h), 3), float(k)) for k in range(len(subsets))]
        return [FittedProbe(judge, k, {"k": k}) for k, judge in enumerate(judges)]


def test_a_probe_sees_each_split_by_itself_and_is_tested_on_test_clips():
    module = datamodule()
    corpus = module.corpus
    drawn = draws(module, (0.5, 1.0), (0,))
    trials, _ = fit_all(Recorder(), module, drawn, CPU)
    train, subsets, val, task = Recorder.seen[-1]
    for split, part in (("train", train), ("val", val)):
        rows = np.flatnonzero(corpus.split == split)
        assert np.array_equal(part.h, corpus.x[rows, 0])
        assert np.array_equal(part.y, corpus.y[rows])
        assert part.mask.all()
    assert [rows.tolist() for rows in subsets] == [draw.rows.tolist() for draw in drawn]
    assert task.name == "multi_label"
    assert [trial.scores.unique().tolist() for trial in trials] == [[0.0], [1.0]]
    assert all(trial.scores.shape == (24, 3) for trial in trials)
    assert embeddings_of(module, "test", CPU).h.shape == (24, 8)
