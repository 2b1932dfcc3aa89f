"""Oracle: runs whose scores we choose, by the fraction of clips without labels that they used."""

import pytest

from musicssl.report.__main__ import main
from tests.support.report_page import Page
from tests.support.studies import read_study
from tests.support.synthetic_runs import settings, write_run


def write_sweep(root, fractions=(0.0, 0.25, 1.0), p_s=(0.1,), name="mean_teacher", **changes):
    for u_s in fractions:
        for share in p_s:
            for seed in (0, 1):
                config = settings(name, seed, share, **changes)
                config["data"]["u_s"] = u_s
                folder = root / f"{name}_{len(changes)}_{u_s}_{share}_{seed}"
                write_run(folder, config, quality=0.5 + u_s)
    return root


def test_methods_that_differ_in_u_s_alone_are_one_curve(tmp_path):
    root = write_sweep(tmp_path / "runs")
    write_sweep(root, (0.25, 1.0), dropout=0.2)
    write_sweep(root, (1.0,), name="att")
    study = read_study([root])
    found = study.unlabelled
    assert (found.p_s, found.metric, found.fractions) == (0.1, study.metric, [0.0, 0.25, 1.0])
    assert {label: list(cells) for label, cells in found.curves.items()} == {
        "mean_teacher (encoder.dropout=0.6)": [0.0, 0.25, 1.0],
        "mean_teacher (encoder.dropout=0.2)": [0.25, 1.0],
    }
    run = {
        (one.settings["data.u_s"], one.settings["encoder.dropout"], one.seed): one
        for method in study.methods
        for one in method.runs
        if one.name == "mean_teacher"
    }
    for label, cells in found.curves.items():
        dropout = label.partition("=")[2].removesuffix(")")
        for u_s, cell in cells.items():
            expected = [run[f"{u_s:g}", dropout, s].metrics[study.metric] for s in (0, 1)]
            assert [cell.values(study.metric)[seed] for seed in (0, 1)] == expected
            row, column = found.grid.rows[label], found.fractions.index(u_s)
            assert row[column].mean == pytest.approx(sum(expected) / 2)
    assert found.grid.rows["mean_teacher (encoder.dropout=0.2)"][0].n == 0


def test_the_fraction_of_labels_is_that_of_the_most_runs(tmp_path):
    root = write_sweep(tmp_path / "runs", p_s=(0.1, 0.5))
    write_sweep(root, (0.5,), p_s=(0.5,))
    assert read_study([root]).unlabelled.p_s == 0.5


def test_without_several_fractions_there_is_no_such_part(tmp_path):
    root = write_sweep(tmp_path / "runs", (1.0,))
    assert read_study([root]).unlabelled is None
    main([str(root), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out" / "unlabelled.png").exists()
    assert "Clips without labels" not in Page(tmp_path / "out" / "index.html").text


def test_the_page_the_tables_and_the_picture_show_it(tmp_path):
    root, out = write_sweep(tmp_path / "runs"), tmp_path / "out"
    main([str(root), "--out", str(out)])
    page = Page(out / "index.html")
    assert page.open == []
    assert "Clips without labels" in page.text
    assert (out / "unlabelled.png").is_file()
    table = (out / "table.md").read_text()
    assert "by the fraction of clips without labels that is used, 2 seeds" in table
