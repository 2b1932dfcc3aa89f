"""Oracle: the loop of `tests.support.tuned_runs`; a report of runs without a choice as it was."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from musicssl.evaluation.statistics.significance import holm, paired_test
from musicssl.report.__main__ import main
from musicssl.report.analysis.best_settings import best_settings
from musicssl.report.analysis.grouping import Cell, Method
from musicssl.report.write.notes import choice_notes, notes
from musicssl.report.write.pictures import draw_study
from musicssl.report.write.verdicts import verdict
from tests.support.report_page import Page
from tests.support.studies import read_study
from tests.support.synthetic_regression import write_regression
from tests.support.synthetic_runs import CLASSES, settings, write_run
from tests.support.tuned_runs import (
    SEEDS,
    TEST,
    TEXTS,
    VALIDATION,
    auroc,
    by_hand,
    by_loop,
    drawn,
    write_tuned,
)

SINGLE, OF_EACH = "dgm (best single setting)", "dgm (best setting of each class)"


@pytest.fixture
def runs(tmp_path):
    """A grid of settings of dgm, and att."""
    for seed in SEEDS:
        config = settings("att", seed)
        write_run(tmp_path / "runs" / f"att{seed}", config, quality=0.5, test=TEST)
    return write_tuned(tmp_path / "runs")


def report(*arguments):
    main([str(argument) for argument in arguments])


def macros(scores_of):
    return [auroc(scores_of(seed), *TEST).mean() for seed in SEEDS]


def test_the_composite_and_the_best_single_setting_stand_beside_other_methods(runs):
    study = read_study([runs])
    best = study.best_settings
    assert [method.label for method in best.contenders] == ["att", SINGLE, OF_EACH]
    [grid] = study.chosen_grids
    assert grid.title == "Settings chosen on validation, at 10 % of the labels"
    assert grid.columns[:3] == ("AUROC", "average precision", "F1")
    single = macros(lambda seed: drawn(by_loop()[1], seed)[1])
    for label, expected in ((SINGLE, single), (OF_EACH, macros(by_hand))):
        over = grid.rows[label][0]
        assert (over.mean, over.sd, over.n) == pytest.approx(
            (np.mean(expected), np.std(expected, ddof=1), 3), abs=1e-6
        )
    att = next(method for method in study.methods if method.label == "att")
    assert grid.rows["att"][0] == att.cells[0.1].spread("auroc")


def test_where_a_clip_has_one_class_no_model_is_put_together_from_columns(runs):
    def told(run):
        return replace(run, test_set=replace(run.test_set, task="multi_class"))

    def of_one_class(method):
        cells = {
            p_s: Cell({seed: told(run) for seed, run in cell.runs.items()})
            for p_s, cell in method.cells.items()
        }
        return Method(method.label, method.name, cells)

    methods = [of_one_class(method) for method in read_study([runs]).methods]
    assert [method.label for method in best_settings(methods).chosen] == [SINGLE]


def test_contenders_are_tested_like_methods_and_corrected_among_themselves(runs):
    best = read_study([runs]).best_settings
    pairs = {(one.method, one.other): one for one in best.comparisons}
    assert set(pairs) == {(SINGLE, "att"), (OF_EACH, "att"), (OF_EACH, SINGLE)}
    composite, att = best.contenders[2].cells[0.1].runs, best.contenders[0].cells[0.1].runs
    differences = np.array([composite[s].metrics["auroc"] - att[s].metrics["auroc"] for s in SEEDS])
    influences = np.stack([composite[s].scores.influence - att[s].scores.influence for s in SEEDS])
    assert pairs[OF_EACH, "att"].test == paired_test(differences, influences)
    shown = [one for one in best.comparisons if one.with_baseline]
    assert [one.p_baseline for one in shown] == holm([one.test.p for one in shown])
    assert len(read_study([runs]).comparisons) == 6  # of the settings themselves, as ever


def test_the_verdict_says_what_comes_of_the_choice(runs):
    [_, line] = verdict(read_study([runs]))
    assert line.startswith("Settings chosen on validation: At 10 % of the labels (100 clips) ")
    assert SINGLE in line or OF_EACH in line


def test_a_choice_with_nothing_beside_it_is_not_compared(tmp_path):
    study = read_study([write_tuned(tmp_path)])
    best = study.best_settings
    alone = replace(best, contenders=best.contenders[:1], comparisons=[])
    lines = verdict(study)
    assert verdict(replace(study, best_settings=alone)) == lines[:-1]
    assert lines[-1].startswith("Settings chosen on validation: ")


def test_a_name_that_is_the_baseline_is_stood_for_by_its_best_single_setting(runs):
    best = read_study([runs], baseline=f"dgm ({TEXTS[0]})").best_settings
    assert [method.label for method in best.contenders] == [SINGLE, OF_EACH, "att"]
    assert [one.method for one in best.comparisons if one.with_baseline] == [OF_EACH, "att"]


def test_the_page_the_screen_and_the_files_show_it(runs, tmp_path, capsys):
    out = tmp_path / "out"
    report(runs, "--out", out)
    printed = capsys.readouterr().out
    title = "AUROC of dgm at 10 % of the labels, best settings"
    assert f"{title}, 3 seeds\n\n| class | chosen setting | validation | test |" in printed
    assert f"| {CLASSES[0]} | {TEXTS[0]} | 0." in printed
    assert f"| all classes, one setting | {TEXTS[2]} | 0." in printed
    page = Page(out / "index.html")
    assert page.open == []
    assert "Best setting of each class, chosen on validation" in page.text
    assert page.text.count("Nothing is chosen on test clips") == 1
    assert "macro AUROC less that of att; paired by seed and clip, p corrected for 2" in page.text
    for name in ("table.md", "table.tex"):
        assert title.replace("%", r"\%" if name.endswith("tex") else "%") in (
            (out / name).read_text()
        )
    with (out / "best_settings_comparisons.csv").open() as file:
        assert {row["method"] for row in csv.DictReader(file)} == {SINGLE, OF_EACH}
    with (out / "table.csv").open() as file:
        rows = {(row["method"], row["metric"]): row for row in csv.DictReader(file)}
    assert float(rows[OF_EACH, "auroc"]["mean"]) == pytest.approx(np.mean(macros(by_hand)))


def test_the_table_has_every_class_and_the_spread_of_its_setting(runs, tmp_path):
    report(runs, "--out", tmp_path / "out")
    with (tmp_path / "out" / "best_settings.csv").open() as file:
        *rows, last = list(csv.DictReader(file))
    best, overall = by_loop()
    assert [row["class"] for row in rows] == list(CLASSES)
    for c, (row, place) in enumerate(zip(rows, best, strict=True)):
        assert (row["name"], row["setting"], row["n"]) == ("dgm", TEXTS[place], "3")
        for split, truth, name in ((0, VALIDATION, "validation"), (1, TEST, "test")):
            values = [auroc(drawn(place, seed)[split], *truth)[c] for seed in SEEDS]
            assert float(row[f"{name}_mean"]) == pytest.approx(np.mean(values), abs=1e-6)
            assert float(row[f"{name}_sd"]) == pytest.approx(np.std(values, ddof=1), abs=1e-6)
    assert (last["class"], last["setting"], last["metric"]) == ("", TEXTS[overall], "auroc")
    values = [auroc(drawn(overall, seed)[0], *VALIDATION).mean() for seed in SEEDS]
    assert float(last["validation_mean"]) == pytest.approx(np.mean(values), abs=1e-6)


def test_every_fraction_of_labels_has_a_choice_of_its_own(runs):
    write_tuned(runs, p_s=0.5)
    write_run(runs / "att_many", settings("att", p_s=0.5), quality=0.9, test=TEST)
    write_run(runs / "att_few", settings("att", p_s=0.02), quality=0.1, test=TEST)
    study = read_study([runs])
    assert [choice.p_s for choice in study.best_settings.choices] == [0.1, 0.5]
    [grid] = study.chosen_grids
    assert grid.title == "Settings chosen on validation, AUROC"
    assert grid.columns == ("10 % (100)", "50 % (500)")
    assert [row[1].n for row in grid.rows.values()] == [1, 3, 3]
    titles = [other.title for other in study.other_chosen_grids]
    assert "Settings chosen on validation, F1" in titles
    assert not any("AUROC" in title for title in titles)


def test_two_names_with_settings_are_compared_by_their_best_ones(runs):
    for seed in SEEDS:
        for b_s in (0.5, 1.0):
            write_run(
                runs / f"dnn{b_s}_{seed}",
                settings("dnn", seed, b_s=b_s),
                quality=b_s,
                test=TEST,
                validation=(drawn(0, seed)[0], *VALIDATION),
            )
    best = read_study([runs]).best_settings
    assert [method.label for method in best.contenders] == [
        *("att", SINGLE, OF_EACH),
        *("dnn (best single setting)", "dnn (best setting of each class)"),
    ]


def test_pictures_of_many_settings_show_the_chosen_ones(runs, monkeypatch, tmp_path):
    shown = []

    def note(classes, values, *_):
        shown.append(list(values))
        return Figure()

    monkeypatch.setattr("musicssl.report.write.pictures.draw_class_dots", note)
    sentence = (
        "Pictures of classes and of labelled clips show the settings chosen on validation, "
        "because there are 17 methods."
    )
    for place in range(13):
        config = settings("dgm", dropout=0.4 + 0.01 * place)
        scores = (drawn(0, 0)[0], *VALIDATION)
        write_run(runs / f"more{place}", config, test=TEST, validation=scores)
        if place < 11:
            continue
        study = read_study([runs])
        assert (sentence in notes(study)) == study.is_crowded == (place == 12)
        draw_study(study, tmp_path)
        labels = [method.label for method in study.methods]
        assert shown[-1] == (["att", SINGLE, OF_EACH] if place == 12 else labels)


# --- what is left out


def nothing_is_chosen(runs, out, capsys):
    """What is said of it; nothing is on the page or beside it."""
    report(runs, "--out", out)
    lines = [line for line in capsys.readouterr().out.splitlines() if "are not chosen" in line]
    page = Page(out / "index.html")
    assert "chosen on validation" not in page.text
    assert all(line in page.text for line in lines)
    assert not list(out.glob("best_settings*"))
    return lines


def test_of_runs_of_older_versions_one_remark_is_made_and_stale_files_go(runs, tmp_path, capsys):
    report(runs, "--out", tmp_path / "out")
    write_tuned(runs, seeds_of=((0, 1), (), ()), validated=False)
    write_tuned(runs, p_s=0.5, validated=False)
    capsys.readouterr()
    assert nothing_is_chosen(runs, tmp_path / "out", capsys) == [
        "Best settings of dgm at 10 %, 50 % of the labels are not chosen: 11 of 18 runs have no "
        "scores on validation clips by class, as runs of older versions; repeat the training "
        "command with overwrite=true to add them."
    ]


def test_where_no_name_is_shared_nothing_is_said(runs, tmp_path, capsys):
    lone = [*runs.glob("att*"), *runs.glob("d0.1_*")]
    report(*lone, "--out", tmp_path / "out")
    assert not list((tmp_path / "out").glob("best_settings*"))
    assert "chosen" not in capsys.readouterr().out
    assert "chosen on validation" not in Page(tmp_path / "out" / "index.html").text


def test_what_took_no_part_is_named(tmp_path):
    targets = VALIDATION[0].copy()
    targets[:, 0] = 1
    write_tuned(tmp_path, (SEEDS, SEEDS[1:], SEEDS), validation=(targets, VALIDATION[1]))
    assert choice_notes(read_study([tmp_path]).best_settings) == [
        "1 setting takes no part in the choice for dgm at 10 % of the labels, without seeds that "
        f"others have: {TEXTS[1]}.",
        f"For dgm at 10 % of the labels the AUROC of {CLASSES[0]} is undefined on validation "
        "clips, so the first setting is taken for it.",
    ]


def test_settings_that_change_what_validates_are_named(tmp_path):
    for fraction in (0.1, 0.2):
        config = settings("dgm")
        config["data"]["p_cells"] = fraction
        write_run(tmp_path / str(fraction), config, validation=(drawn(0, 0)[0], *VALIDATION))
    assert choice_notes(read_study([tmp_path]).best_settings) == [
        "Best settings of dgm at 10 % of the labels are not chosen: they differ in "
        "data.p_cells, so scores on validation clips do not compare."
    ]


def test_a_regression_is_chosen_by_r2_and_not_tested(tmp_path, capsys):
    for place, noise in enumerate(((0.3, 0.9), (0.9, 0.3))):
        for seed in SEEDS:
            config = settings("dgm", seed, dropout=0.1 + place)
            folder = tmp_path / "runs" / f"{place}_{seed}"
            write_regression(folder, config, 0.5, on_validation=noise)
    report(tmp_path / "runs", "--out", tmp_path / "out")
    printed = capsys.readouterr().out
    assert "R² of dgm at 10 % of the labels, best settings, 3 seeds" in printed
    assert "| arousal | encoder.dropout=0.1 |" in printed
    assert "| valence | encoder.dropout=1.1 |" in printed
    assert read_study([tmp_path / "runs"]).best_settings.comparisons == []
