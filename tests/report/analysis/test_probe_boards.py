"""Oracle: folders that were written, and means by hand from their probe.json."""

from statistics import mean, stdev

import pytest

from musicssl.report.analysis.probe_boards import (
    Bootstrapped,
    board_grid,
    boards_of,
    matrices,
    without_contradictions,
)
from musicssl.report.read.probe_results import read_probes
from musicssl.report.write.formats import plain
from musicssl.report.write.tables import spread_table
from tests.support.arrays import arrays_in
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
    return boards_of(read_probes([root]).results, metric, baseline)


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
    by_title = {board.corpus: board.metric for board in read(tmp_path, metric="f1")}
    assert by_title == {"emomusic": "r2", "gtzan": "f1"}


def test_of_a_training_that_was_probed_twice_the_most_draws_count(tmp_path):
    more = write_probe(tmp_path / "more", draws=3)
    given = arrays_in(more / "predictions.npz")["scores"]
    write_probe(tmp_path / "a", draws=1, given=given[[0, 3]])
    some = write_probe(tmp_path / "z", draws=2, fractions=(1.0, 0.5), given=given[[3, 4, 0, 1]])
    [board] = read(tmp_path)
    [model] = board.models
    assert model.p_s == [0.1, 0.5, 1.0]
    assert [model.at(p_s)[0].folder.name for p_s in model.p_s] == ["more", "z", "more"]
    assert model.values(1.0, "auroc") == [document(more)["cells"][1]["mean"]["auroc"]]
    assert model.values(0.5, "auroc") == [document(some)["cells"][1]["mean"]["auroc"]]


def test_a_result_that_contradicts_another_of_its_model_is_left_out_and_named(tmp_path):
    first = write_probe(tmp_path / "1")
    other = write_probe(tmp_path / "2", qualities=(0.3, 2.0))
    write_probe(tmp_path / "3")
    kept, sentences = without_contradictions(read_probes([tmp_path]).results)
    assert [result.folder.name for result in kept] == ["1", "3"]
    assert sentences == [
        f"Left out: {other} should be a probe of the same model as {first}, but the same labelled "
        "clips give other results."
    ]


# --- tables


def test_a_table_holds_models_over_fractions_of_labels(tmp_path):
    alone = document(write_probe(tmp_path / "u", UNTRAINED, (0.1, 0.2)))["cells"]
    seeds = [document(write_probe(tmp_path / f"{s}", source(seed=s)))["cells"] for s in range(2)]
    [board] = read(tmp_path)
    lines = plain(spread_table(board_grid(board))).splitlines()
    assert lines[0] == (
        "AUROC, linear probe of gtzan: mean ± standard deviation over training seeds, 2 seeds; "
        "95 % interval over test clips where there is one training; chance 0.5000"
    )
    assert lines[2] == "| model | 10 % (100) | 100 % (1,000) |"
    cells = [cell["mean"]["auroc"] for cell in alone]
    interval = "{:.4f} [{:.4f}, {:.4f}]"
    texts = [interval.format(mean, mean - 0.05, mean + 0.05) for mean in cells]
    assert lines[4] == f"| untrained_cnn | {texts[0]} | {texts[1]} |"
    both = [[cells[place]["mean"]["auroc"] for cells in seeds] for place in range(2)]
    means = [sum(pair) / 2 for pair in both]
    deviations = [abs(pair[0] - pair[1]) / 2**0.5 for pair in both]
    texts = [f"**{m:.4f} ± {sd:.4f}**" for m, sd in zip(means, deviations, strict=True)]
    assert lines[5] == f"| simclr | {texts[0]} | {texts[1]} |"


def test_seeds_are_counted_in_brackets_where_they_differ(tmp_path):
    for name, count in (("a", 2), ("b", 3)):
        for seed in range(count):
            write_probe(tmp_path / f"{name}{seed}", source(name, seed))
    [board] = read(tmp_path)
    table = plain(spread_table(board_grid(board)))
    assert "number of seeds in brackets" in table
    assert table.count(" (2) ") + table.count(" (2)** ") == 2
    assert "interval" not in table


def test_of_an_error_the_least_is_best(tmp_path):
    for name, quality in (("bad", 0.1), ("good", 1.0)):
        write_probe(tmp_path / name, source(name), (quality, quality), task="regression")
    [board] = read(tmp_path, "rmse")
    grid = board_grid(board)
    best = min(grid.rows, key=lambda label: grid.rows[label][1].mean)
    assert [grid.is_best(label, 1) for label in grid.rows] == [label == best for label in grid.rows]
    assert grid.note.endswith("chance unknown")


def test_a_matrix_holds_models_over_corpora_at_the_most_labels(tmp_path):
    write_probe(tmp_path / "1", source("byol"))
    assert matrices(read(tmp_path)) == []
    keys = {"corpus": "nsynth", "task": "multi_class"}
    write_probe(tmp_path / "2", UNTRAINED, **keys)
    write_probe(tmp_path / "3", source("simclr"), **keys)
    write_probe(tmp_path / "4", source("byol"), **keys)
    write_probe(tmp_path / "5", source("byol"), probe="mlp")
    [grid] = matrices(read(tmp_path))
    assert grid.columns == ("gtzan: AUROC at 100 %", "nsynth: accuracy at 100 %")
    assert list(grid.rows) == ["byol", "untrained_cnn", "simclr"]  # of both boards, the first first
    assert [cell.n for cell in grid.rows["simclr"]] == [0, 1]
    for column, (name, metric) in enumerate((("1", "auroc"), ("4", "accuracy"))):
        mean = document(tmp_path / name)["cells"][-1]["mean"][metric]
        assert grid.rows["byol"][column].mean == pytest.approx(mean)
    assert grid.note.endswith("gtzan chance 0.5000; nsynth chance 0.1250")
