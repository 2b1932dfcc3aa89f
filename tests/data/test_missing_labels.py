"""Labels that are hidden one by one, or taken for absent."""

import numpy as np
import pytest

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.missing_labels import kept_cells, taken_for_absent
from musicssl.errors import InputError
from tests.support.kinds import OneClass, Values
from tests.support.tiny import Tiny


def module(dataset=None, **settings):
    made = SemiSupervisedDataModule(dataset or Tiny(), batch_size=14, **settings)
    made.setup()
    return made


def test_each_observed_cell_is_hidden_with_the_same_probability_and_nested():
    mask = np.random.default_rng(1).random((2000, 5)) < 0.7
    kept = {rate: kept_cells(mask, rate, seed=0) for rate in (0.0, 0.1, 0.4, 0.8)}
    assert np.array_equal(kept[0.0], mask)
    for rate, cells in kept.items():
        assert not (cells & ~mask).any()
        for column, observed in zip(cells.T, mask.T, strict=True):
            n = observed.sum()
            assert abs(column.sum() - n * (1 - rate)) <= 5 * (n * rate * (1 - rate)) ** 0.5
    assert not (kept[0.8] & ~kept[0.4]).any()
    assert not (kept[0.4] & ~kept[0.1]).any()


def test_missing_labels_of_the_chosen_clips_are_negatives():
    """Oracle: cell by cell."""
    rng = np.random.default_rng(0)
    y, mask = rng.integers(0, 2, (6, 3)).astype(np.float32), rng.random((6, 3)) < 0.5
    filled, known = taken_for_absent(y, mask, np.array([0, 2, 5]))
    for n, c in np.ndindex(6, 3):
        assert known[n, c] == (mask[n, c] or n in (0, 2, 5))
        if known[n, c]:
            assert filled[n, c] == (y[n, c] if mask[n, c] else 0)


@pytest.mark.parametrize("missing", ["masked", "negative"])
def test_only_training_labels_change(missing):
    plain, changed = module(p_s=0.5), module(p_s=0.5, drop_labels=0.6, missing=missing)
    for split in ("val", "test"):
        for before, after in zip(plain.labels(split), changed.labels(split), strict=True):
            assert before.equal(after)
    assert np.array_equal(plain.labelled(), changed.labelled())
    (y, mask), (_, before) = changed.labels("train"), plain.labels("train")
    labelled = np.isin(changed.rows("train"), changed.labelled())
    assert not mask[~labelled].any()
    if missing == "negative":
        assert mask[labelled].all()
        assert set(y[labelled][before[labelled]].unique().tolist()) <= {0.0, 1.0}
        assert y[labelled].sum() < plain.labels("train")[0][labelled].sum()
    else:
        assert 0.3 < mask[labelled].float().mean() < 0.5


def test_the_corpus_itself_keeps_all_labels():
    made = module(drop_labels=0.5, missing="negative")
    assert np.array_equal(made.corpus.y, Tiny().load().y)
    assert np.array_equal(made.corpus.mask, Tiny().load().mask)


@pytest.mark.parametrize(
    ("dataset", "settings", "message"),
    [
        (None, {"missing": "absent"}, r"data\.missing must be masked or negative"),
        (None, {"drop_labels": 1.0}, r"data\.drop_labels must be in \[0, 1\)"),
        (None, {"missing": "negative", "val_by": "labels"}, "leave one of them out"),
        (OneClass(), {"drop_labels": 0.2}, r"hide whole labels with data\.p_s"),
        (Values(), {"missing": "negative"}, "of the kind regression"),
    ],
)
def test_settings_without_a_meaning_are_refused(dataset, settings, message):
    with pytest.raises(InputError, match=message):
        module(dataset, **settings)
