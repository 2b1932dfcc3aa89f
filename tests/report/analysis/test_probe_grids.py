"""Oracle: tables by hand from probe.json."""

import pytest

from musicssl.report.analysis.probe_boards import boards_of
from musicssl.report.analysis.probe_grids import board_grid, matrices
from musicssl.report.read.probe_results import read_probes
from musicssl.report.write.markup import markdown
from tests.support.synthetic_probes import UNTRAINED, document, source, write_probe


def read(root, metric=None):
    return boards_of(read_probes([root])[0], metric, None)


def test_a_table_holds_models_over_fractions_of_labels(tmp_path):
    alone = document(write_probe(tmp_path / "u", UNTRAINED, (0.1, 0.2)))["cells"]
    seeds = [document(write_probe(tmp_path / f"{s}", source(seed=s)))["cells"] for s in range(2)]
    [board] = read(tmp_path)
    lines = markdown(board_grid(board)).splitlines()
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
    table = markdown(board_grid(board))
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
