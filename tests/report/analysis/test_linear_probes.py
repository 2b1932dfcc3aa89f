"""Oracle: tables of probes that are written by hand beside runs."""

import pytest

from musicssl.errors import InputError
from musicssl.probing.label_curve import CurvePoint
from musicssl.report.__main__ import main
from musicssl.runs.artifacts.label_curve import write_probe_curves
from musicssl.runs.folder import RunFolder
from tests.support.report_page import Page
from tests.support.studies import read_study
from tests.support.synthetic_runs import settings, write_run


def auroc(seed, share):
    return 0.6 + 0.3 * share + 0.01 * seed


def write_probes(root, names, shares=(0.1, 0.5, 1.0), p_s=0.5):
    """Write runs with probes, the number of clips of a share differing by a clip between seeds."""
    for name in names:
        for seed in (0, 1):
            folder = write_run(root / f"{name}{p_s}{seed}", settings(name, seed, p_s))
            curve = [
                CurvePoint(share, round(100 * share) + seed, {"auroc": auroc(seed, share)})
                for share in shares
            ]
            others = [point._replace(macro={"auroc": 0.5}) for point in curve]
            curves = {"prototypes": others, "linear probe": curve}
            write_probe_curves(RunFolder(folder).label_curve, curves)
    return root


def test_curves_are_of_the_linear_probes_of_each_seed(tmp_path):
    write_probes(tmp_path, ["byol", "simclr"])
    found = read_study([tmp_path]).linear_probes
    assert found.metric_name == "AUROC"
    assert found.p_s == 0.5
    assert list(found.curves) == ["byol", "simclr"]
    points = found.curves["simclr"]
    assert [point.p_s for point in points] == ["10 %", "50 %", "100 %"]
    assert [point.clips for point in points] == [10.5, 50.5, 100.5]
    for point, share in zip(points, (0.1, 0.5, 1.0), strict=True):
        assert sorted(point.values) == pytest.approx([auroc(seed, share) for seed in (0, 1)])


def test_a_seed_may_lack_the_smallest_shares(tmp_path):
    write_probes(tmp_path, ["byol"])
    short = RunFolder(tmp_path / "byol0.50").label_curve
    short.write_text(
        "\n".join(line for line in short.read_text().split("\n") if ",0.1," not in line)
    )
    points = read_study([tmp_path]).linear_probes.curves["byol"]
    assert [len(point.values) for point in points] == [1, 2, 2]


def test_the_page_shows_them_and_says_what_the_scores_are(tmp_path, capsys):
    runs, out = write_probes(tmp_path / "runs", ["byol", "simclr"]), tmp_path / "out"
    main([str(runs), "--out", str(out)])
    sentence = "Scores of byol, simclr are those of a linear probe on frozen embeddings."
    assert sentence in capsys.readouterr().out
    page = Page(out / "index.html")
    assert sentence in page.text
    assert "Linear probes of fewer labels" in page.text
    assert len(page.addresses) == 2
    assert (out / "probes.png").is_file()


def test_if_only_some_methods_have_probes_they_are_left_out_in_one_sentence(tmp_path, capsys):
    runs, out = write_probes(tmp_path / "runs", ["byol"]), tmp_path / "out"
    main([str(runs), "--out", str(out)])
    write_run(runs / "att", settings("att", 0, 0.5))
    capsys.readouterr()
    main([str(runs), "--out", str(out)])
    printed = capsys.readouterr().out
    page = Page(out / "index.html").text
    for sentence in (
        "Curves of linear probes over labelled clips are left out: 2 of 3 runs have a "
        "label_curve.csv, which methods that learn embeddings write.",
        "Scores of byol are those of a linear probe on frozen embeddings.",
    ):
        assert sentence in printed
        assert sentence in page
    assert not (out / "probes.png").exists()
    assert "Linear probes of fewer labels" not in page


def test_without_probes_nothing_is_said(tmp_path, capsys):
    write_run(tmp_path / "runs" / "att", settings("att"))
    main([str(tmp_path / "runs"), "--out", str(tmp_path / "out")])
    assert "linear probe" not in capsys.readouterr().out


def test_a_damaged_table_is_named(tmp_path):
    write_probes(tmp_path, ["byol"])
    file = RunFolder(tmp_path / "byol0.50").label_curve
    for text in ("", "probe,fraction\n", "probe,fraction,clips,auroc\nlinear probe,one,1,0.5\n"):
        file.write_text(text)
        with pytest.raises(InputError, match=rf"{file} is missing or damaged"):
            read_study([tmp_path])
