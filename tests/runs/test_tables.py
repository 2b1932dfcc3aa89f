"""Oracle: what is read back from the table or the file is what was given."""

import csv
import io
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from musicssl.evaluation.metrics import macro, per_class_metrics
from musicssl.evaluation.multi_class import multi_class_metrics
from musicssl.evaluation.regression import regression_metrics
from musicssl.runs.tables import metrics_table, write_metrics_csv

CLASSES = ["violin", "mallet_percussion", "voice"]
SCORES = ["precision", "recall", "f1", "precision_both", "recall_both", "f1_both"]
SCORES += ["auroc", "average_precision"]


def metrics() -> tuple[dict[str, np.ndarray], dict[str, float]]:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(50, 3, generator=generator)
    targets = (torch.rand(50, 3, generator=generator) < 0.5).float()
    mask = torch.rand(50, 3, generator=generator) < 0.5
    targets[:, 2] = 0  # "voice" has no positive
    per_class = per_class_metrics(scores, targets, mask)
    return {key: value.numpy() for key, value in per_class.items()}, macro(per_class)


def printed(table: Table, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def cells(table: Table) -> list[list[str]]:
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def test_the_table_has_a_row_per_class_and_the_macro_means_last() -> None:
    per_class, means = metrics()
    *rows, last = cells(metrics_table(CLASSES, per_class, means))
    for row, name in enumerate(CLASSES[:2]):
        numbers = [f"{per_class[key][row]:.3f}" for key in SCORES]
        counts = f"{int(per_class['positives'][row])}/{int(per_class['observed'][row])}"
        assert rows[row] == [name, *numbers, counts]
    assert last == ["macro", *(f"{means[key]:.3f}" for key in SCORES), ""]


def test_an_undefined_value_is_a_dash() -> None:
    *_, voice, _ = cells(metrics_table(CLASSES, *metrics()))
    assert set(voice[1:-1]) == {"\N{EN DASH}"}
    assert voice[-1].startswith("0/")


def test_the_table_fits_100_columns_and_loses_nothing() -> None:
    per_class, means = metrics()
    per_class["observed"] = np.full(3, 14_915.0)
    per_class["positives"] = np.full(3, 10_000.0)
    name = "a_name_that_is_far_too_long_for_its_column"
    lines = printed(metrics_table([name, "b", "c"], per_class, means))
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    assert text.count("10000/14915") == 3
    assert "…" not in text
    [width] = [line.index("prec.") for line in lines if "class" in line]
    assert name in "".join(line[:width].strip() for line in lines)


def test_a_narrow_table_keeps_names_and_says_which_metrics_it_leaves_out() -> None:
    per_class, means = metrics()
    for width in range(45, 101):
        table = metrics_table(CLASSES, per_class, means, width)
        lines = printed(table, width)
        assert max(map(len, lines)) <= width
        words = " ".join(lines).split()
        assert all(name in words for name in [*CLASSES, "AUROC", "macro"])
        shown = len(table.columns) - 2  # without the class and the counts
        text = " ".join(words)
        named = text.partition("see metrics.csv: ")[2].count(";") + 1 if shown < 8 else 0
        assert shown + named == 8
    assert shown == 8


def test_brackets_in_a_class_name_are_no_markup() -> None:
    text = "\n".join(printed(metrics_table(["[red]", "[/]", "c"], *metrics())))
    assert "[red]" in text
    assert "[/]" in text


def test_the_file_holds_every_value_exactly(tmp_path: Path) -> None:
    per_class, means = metrics()
    path = write_metrics_csv(tmp_path / "run" / "metrics.csv", CLASSES, per_class, means)
    with path.open(newline="", encoding="utf-8") as file:
        rows = {row["class"]: row for row in csv.DictReader(file)}
    assert list(rows) == [*CLASSES, "macro"]
    assert list(rows["macro"]) == ["class", *per_class]
    for row, name in enumerate(CLASSES):
        for key in SCORES:
            np.testing.assert_equal(float(rows[name][key]), per_class[key][row])
        for key in ("positives", "observed"):
            assert int(rows[name][key]) == per_class[key][row]
    assert {key: float(rows["macro"][key]) for key in SCORES} == means
    assert rows["macro"]["positives"] == rows["macro"]["observed"] == ""


def test_names_with_commas_quotes_and_other_letters_survive(tmp_path: Path) -> None:
    names = ["drums, acoustic", 'the "axe"', "箏"]
    path = write_metrics_csv(tmp_path / "metrics.csv", names, *metrics())
    with path.open(newline="", encoding="utf-8") as file:
        assert [row[0] for row in csv.reader(file)][1:-1] == names


def test_lists_do_as_well_as_arrays(tmp_path: Path) -> None:
    per_class, means = metrics()
    lists = {key: value.tolist() for key, value in per_class.items()}
    assert cells(metrics_table(CLASSES, lists, means)) == cells(
        metrics_table(CLASSES, per_class, means)
    )
    files = [tmp_path / "lists.csv", tmp_path / "arrays.csv"]
    for path, values in zip(files, [lists, per_class], strict=True):
        write_metrics_csv(path, CLASSES, values, means)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_belongs_to_no_class_stands_beneath_the_table_and_in_the_macro_row(
    tmp_path: Path,
) -> None:
    scores = torch.rand(40, 3, generator=torch.Generator().manual_seed(0)).softmax(dim=1)
    targets = torch.eye(3).repeat(14, 1)[:40]
    per_class, means = multi_class_metrics(scores, targets, targets >= 0)
    table = metrics_table(CLASSES, {k: v.tolist() for k, v in per_class.items()}, means)
    heads = [str(column.header) for column in table.columns]
    assert heads == ["class", "prec.", "recall", "F1", "AUROC", "AP", "pos./obs."]
    accuracies = f"{means['accuracy']:.3f}, balanced accuracy {means['balanced_accuracy']:.3f}"
    assert printed(table)[-1].rstrip() == f"accuracy {accuracies}"
    lists = {key: value.tolist() for key, value in per_class.items()}
    path = write_metrics_csv(tmp_path / "metrics.csv", CLASSES, lists, means)
    with path.open(newline="", encoding="utf-8") as file:
        *rows, last = csv.DictReader(file)
    assert float(last["accuracy"]) == means["accuracy"]
    assert {row["accuracy"] for row in rows} == {""}
    assert list(last) == ["class", *per_class, "accuracy", "balanced_accuracy"]


def test_values_have_metrics_of_their_own_and_one_count() -> None:
    targets = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    per_class, means = regression_metrics(1.1 * targets, targets, targets > -1)
    table = metrics_table(CLASSES, {k: v.tolist() for k, v in per_class.items()}, means)
    heads = [str(column.header) for column in table.columns]
    assert heads == ["class", "R²", "RMSE", "Pearson", "obs."]
    first = cells(table)[0]
    numbers = [f"{per_class[key][0]:.3f}" for key in ("r2", "rmse", "pearson")]
    assert first == [CLASSES[0], *numbers, f"{per_class['observed'][0]:.0f}"]
    assert table.caption is None


def test_a_metric_from_outside_has_a_column_or_stands_beneath_the_table(tmp_path: Path) -> None:
    per_class, means = metrics()
    per_class["distance"] = np.array([0.125, 0.25, 0.5])
    means |= {"distance": 0.375, "tempo_error": 0.0625}
    table = metrics_table(CLASSES, per_class, means)
    [column] = [column for column in table.columns if column.header == "distance"]
    assert [str(cell) for cell in column.cells] == ["0.125", "0.250", "0.500", "0.375"]
    lines = printed(table)
    assert max(map(len, lines)) <= 100
    assert lines[-1].rstrip() == "tempo_error 0.062"
    assert any("distance" in line for line in lines)


def test_brackets_and_controls_in_a_name_are_shown_letter_by_letter(tmp_path):
    classes = ["[bold]x[/bold]", "[/x]", "=1+\x1b[2J"]
    per_class, means = metrics()
    console = Console(file=io.StringIO(), width=200)
    console.print(metrics_table(classes, per_class, means))
    printed = console.file.getvalue()
    assert all(name in printed for name in ("[bold]x[/bold]", "[/x]", r"=1+\x1b[2J"))
    assert "\x1b" not in printed
    with write_metrics_csv(tmp_path / "m.csv", classes, per_class, means).open() as file:
        names = [row["class"] for row in csv.DictReader(file)]
    assert names == ["[bold]x[/bold]", "[/x]", r"'=1+\x1b[2J", "macro"]
