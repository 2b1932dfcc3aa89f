from statistics import mean, stdev

import pytest

from musicssl.report.analysis.study import read_studies
from musicssl.report.write.view import view_runs
from tests.support.synthetic_runs import write_fold


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("folds")
    for name, quality in (("att", 0.4), ("mean_teacher", 0.8)):
        for fold in (1, 2, 3):
            for seed in (0, 1):
                write_fold(root, fold, name, quality, seed=seed)
    return root


def test_the_last_column_is_mean_and_deviation_over_folds(written):
    """Oracle: the numbers in metrics.json of each fold, by the statistics module."""
    [study] = read_studies([written]).sections
    [grid] = study.fold_grids
    assert grid.columns == ("fold 1", "fold 2", "fold 3", "mean of folds")
    for method in study.methods:
        of_folds = []
        for index, name in enumerate(("1", "2", "3")):
            values = [run.folds[name].metrics[study.metric] for run in method.runs]
            cell = grid.rows[method.label][index]
            assert cell.mean == pytest.approx(mean(values))
            assert cell.sd == pytest.approx(stdev(values))
            of_folds.append(mean(values))
        last = grid.rows[method.label][-1]
        assert (last.mean, last.sd) == pytest.approx((mean(of_folds), stdev(of_folds)))


def test_methods_are_compared_on_the_clips_of_all_folds(written):
    [study] = read_studies([written]).sections
    assert [method.label for method in study.methods] == ["att", "mean_teacher"]
    [comparison] = study.comparisons
    assert comparison.seeds == (0, 1)
    assert comparison.test.difference > 0
    view = view_runs(study)
    assert "12 runs" in view.headline
    assert "120 test clips" in view.subject
    assert len(view.runs.rows) == 12
    assert view.folds[0].caption.endswith("the last column over folds")
    assert any("folds 1, 2, 3 are put together" in note for note in view.notes)


def test_runs_without_folds_have_no_table_of_folds(tmp_path):
    write_fold(tmp_path, 1)
    [study] = read_studies([tmp_path]).sections
    assert study.fold_grids == []
    assert not any("put together" in note for note in view_runs(study).notes)
