"""Oracle: folders that were written, and means by hand from their probe.json."""

from statistics import mean, stdev

import numpy as np
import pytest

from musicssl.errors import InputError
from musicssl.report.analysis.probe_boards import Bootstrapped, boards_of
from musicssl.report.read.probe_results import read_probes
from tests.support.synthetic_probes import (
    STATISTICS,
    UNTRAINED,
    document,
    settings,
    source,
    truth,
    write_probe,
)


def read(root, metric=None, baseline=None):
    return boards_of(read_probes([root])[0], metric, baseline)


def labels(board):
    return [model.label for model in board.models]


def test_trainings_of_several_seeds_are_one_row_and_others_have_their_interval(tmp_path):
    folders = [write_probe(tmp_path / f"{seed}", source(seed=seed)) for seed in range(3)]
    alone = write_probe(tmp_path / "alone", UNTRAINED)
    [board] = read(tmp_path)
    untrained, simclr = board.models
    values = [document(folder)["cells"][1]["mean"]["auroc"] for folder in folders]
    over = simclr.spread(1.0, "auroc")
    assert (over.mean, over.sd, over.n) == pytest.approx((mean(values), stdev(values), 3))
    cell = document(alone)["cells"][1]
    single = untrained.spread(1.0, "auroc")
    assert isinstance(single, Bootstrapped)
    assert [single.mean, [single.low, single.high]] == [
        cell["mean"]["auroc"],
        cell["interval"]["auroc"],
    ]
    assert str(single) == f"{single.mean:.4f} [{single.low:.4f}, {single.high:.4f}]"
    assert board.chance == 0.5


def test_the_baseline_is_what_has_learnt_nothing_or_what_is_asked_for(tmp_path):
    write_probe(tmp_path / "1", source("byol"))
    write_probe(tmp_path / "2", source("simclr"))
    assert labels(read(tmp_path)[0]) == ["byol", "simclr"]
    write_probe(tmp_path / "3", STATISTICS)
    assert labels(read(tmp_path)[0]) == ["log_mel", "byol", "simclr"]
    write_probe(tmp_path / "4", UNTRAINED)
    assert labels(read(tmp_path)[0]) == ["untrained_cnn", "byol", "log_mel", "simclr"]
    assert labels(read(tmp_path, baseline="simclr")[0])[0] == "simclr"
    assert labels(read(tmp_path, baseline="nobody")[0])[0] == "untrained_cnn"


def test_models_of_one_name_are_told_apart_by_what_differs(tmp_path):
    for p_s in (0.1, 1.0):
        for b_s in (0.5, 1.0):
            write_probe(tmp_path / f"{p_s}{b_s}", source(p_s=p_s, b_s=b_s))
    write_probe(tmp_path / "byol", source("byol"))
    [board] = read(tmp_path)
    both = [f"simclr (b_s={b_s}, p_s={p_s})" for b_s in ("0.5", "1") for p_s in ("0.1", "1")]
    assert labels(board) == ["byol", *both]


def test_boards_are_of_one_corpus_probe_and_set_of_clips(tmp_path):
    write_probe(tmp_path / "1")
    write_probe(tmp_path / "2", corpus="nsynth")
    write_probe(tmp_path / "3", probe="mlp")
    write_probe(tmp_path / "4", config=settings(split="stratified"))
    write_probe(tmp_path / "5", config=settings(split="stratified"), test=truth(90))
    titles = [board.title for board in read(tmp_path)]
    assert titles == [
        "linear probe of gtzan (clips.test=80, dataset.split=null)",
        "linear probe of gtzan (clips.test=80, dataset.split=stratified)",
        "linear probe of gtzan (clips.test=90, dataset.split=stratified)",
        "linear probe of nsynth",
        "mlp probe of gtzan",
    ]


def test_a_metric_is_taken_where_there_is_one(tmp_path):
    write_probe(tmp_path / "1")
    write_probe(tmp_path / "2", corpus="emomusic", task="regression")
    by_title = {board.place: board.metric for board in read(tmp_path, metric="f1")}
    assert by_title == {"emomusic": "r2", "gtzan": "f1"}


def test_of_a_training_that_was_probed_twice_the_most_draws_count(tmp_path):
    more = write_probe(tmp_path / "more", draws=3)
    given = np.load(more / "predictions.npz")["scores"]
    write_probe(tmp_path / "a", draws=1, given=given[[0, 3]])
    some = write_probe(tmp_path / "z", draws=2, fractions=(1.0, 0.5), given=given[[3, 4, 0, 1]])
    [board] = read(tmp_path)
    [model] = board.models
    assert model.p_s == [0.1, 0.5, 1.0]
    assert [model.at(p_s)[0].folder.name for p_s in model.p_s] == ["more", "z", "more"]
    assert model.values(1.0, "auroc") == [document(more)["cells"][1]["mean"]["auroc"]]
    assert model.values(0.5, "auroc") == [document(some)["cells"][1]["mean"]["auroc"]]


def test_results_that_should_be_of_one_model_and_are_not_are_a_mistake(tmp_path):
    write_probe(tmp_path / "1")
    write_probe(tmp_path / "2", qualities=(0.3, 2.0))
    with pytest.raises(InputError, match=r"1 and .*2 should be probes of the same model"):
        read(tmp_path)
