"""Oracle: runs whose places are known."""

import numpy as np
import pytest

from musicssl.errors import InputError
from musicssl.report.analysis.grouping import baseline_first, fractions, group
from musicssl.report.read.runs import read_runs
from tests.support.synthetic_runs import TRAIN, settings, write_run, write_sweep


def read(root):
    return group(read_runs([root]).runs)


def test_seeds_form_a_cell_and_fractions_a_method(tmp_path):
    write_sweep(tmp_path, {"att": 0.5, "supervised": 0.5}, fractions=(0.5, 0.02), seeds=(0, 4))
    methods = read(tmp_path)
    assert [method.label for method in methods] == ["att", "supervised"]
    for method in methods:
        assert list(method.cells) == [0.02, 0.5]
        assert [cell.labelled for cell in method.cells.values()] == [0.02 * TRAIN, 0.5 * TRAIN]
        assert {run.name for run in method.runs} == {method.name}
        assert [(run.p_s, run.seed) for run in method.runs] == [
            *((0.02, 0), (0.02, 4), (0.5, 0), (0.5, 4))
        ]
    assert fractions(methods) == [0.02, 0.5]


def test_mean_and_spread_are_those_of_the_seeds(tmp_path):
    write_sweep(tmp_path, {"att": 0.5}, fractions=(0.1,))
    cell = read(tmp_path)[0].cells[0.1]
    values = [run.metrics["auroc"] for run in cell.runs.values()]
    over = cell.spread("auroc")
    assert (over.n, over.mean, over.sd) == pytest.approx(
        (3, np.mean(values), np.std(values, ddof=1))
    )
    assert cell.spread("unheard_of").n == 0
    expected = np.mean([run.scores.by_class for run in cell.runs.values()], axis=0)
    np.testing.assert_allclose(cell.by_class(), expected)


def test_methods_of_one_name_are_told_apart_by_what_differs(tmp_path):
    for b_s in (0.5, 1.0):
        for seed in range(2):
            write_run(tmp_path / f"b{b_s}_s{seed}", settings("att", seed, b_s=b_s))
    write_run(tmp_path / "fc", settings("fc"))
    labels = [method.label for method in read(tmp_path)]
    assert labels == ["att (data.b_s=0.5)", "att (data.b_s=1)", "fc"]


def test_the_baseline_is_supervised_or_att_or_the_first_or_the_one_that_is_named(tmp_path):
    for name in ("aaa", "att", "supervised"):
        write_run(tmp_path / name, settings(name))
    methods = read(tmp_path)
    order = [method.label for method in baseline_first(methods)]
    assert order == ["supervised", "aaa", "att"]
    assert baseline_first(methods[:2])[0].label == "att"
    assert baseline_first(methods[:1])[0].label == "aaa"
    assert baseline_first(methods, "aaa")[0].label == "aaa"


def test_the_classifiers_of_generative_models_are_their_baseline(tmp_path):
    for name in ("dgm", "dnn"):
        write_run(tmp_path / name, settings(name))
    assert baseline_first(read(tmp_path))[0].label == "dnn"


def test_a_baseline_that_is_not_there_or_not_unique_is_refused(tmp_path):
    for b_s in (0.5, 1.0):
        write_run(tmp_path / f"b{b_s}", settings("att", b_s=b_s))
    methods = read(tmp_path)
    with pytest.raises(InputError, match=r"no method is called fc; .*att .data.b_s=0.5.; att"):
        baseline_first(methods, "fc")
    with pytest.raises(InputError, match="more than one method is called att"):
        baseline_first(methods, "att")
    assert baseline_first(methods, "att (data.b_s=1)")[0].label == "att (data.b_s=1)"
