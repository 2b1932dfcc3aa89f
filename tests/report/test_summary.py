import json

import pytest

from musicssl.report.summary import collect, main, markdown_table


def write_run(folder, auroc, localisation=None):
    folder.mkdir(parents=True)
    document = {"macro": {"auroc": auroc, "f1": None}, "localisation": localisation}
    (folder / "metrics.json").write_text(json.dumps(document))


@pytest.fixture
def runs(tmp_path):
    for seed, auroc in enumerate([0.7, 0.8, 0.9]):
        write_run(tmp_path / "att" / "tiny" / f"p1.0_b1.0_s{seed}", auroc, {"auroc_weighted": 0.5})
    write_run(tmp_path / "fc" / "tiny" / "p1.0_b1.0_s10", 0.6)
    return tmp_path


def test_runs_that_differ_in_the_seed_are_one_row(runs):
    rows = collect([runs])
    assert {name.removeprefix(f"{runs}/") for name in rows} == {
        "att/tiny/p1.0_b1.0",
        "fc/tiny/p1.0_b1.0",
    }
    assert rows[f"{runs}/att/tiny/p1.0_b1.0"]["auroc"] == [0.7, 0.8, 0.9]


def test_the_spread_is_that_of_a_sample_and_undefined_values_are_left_out(runs):
    table = markdown_table(collect([runs]), ("f1", "auroc"))
    assert table.splitlines()[0] == "| run | seeds | auroc |"  # nobody has an f1
    assert "| 3 | 0.8000 ± 0.1000 |" in table
    assert "| 1 | 0.6000 |" in table


def test_no_run_is_a_mistake_of_the_user(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path)])
    assert "no complete run under" in capsys.readouterr().err


def test_localisation_has_a_table_of_its_own(runs, capsys):
    main([str(runs)])
    macro, located = capsys.readouterr().out.split("\n\n")
    assert "auroc_weighted" in located
    assert "auroc_weighted" not in macro


def test_overlapping_folders_count_a_run_once(runs):
    assert collect([runs, runs / "att"]) == collect([runs])
