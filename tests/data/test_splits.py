from fractions import Fraction

import numpy as np
import pytest

from musicssl.cli.resolvers import batch_size
from musicssl.data.batches import labelled_share
from musicssl.data.splits import (
    carve_validation,
    labelled_subset,
    labelled_validation,
    observed_cells,
    share_of,
    strata,
    used_unlabelled,
)
from musicssl.errors import InputError


def random_labels(num_clips=400, num_classes=20, seed=0, density=0.2):
    rng = np.random.default_rng(seed)
    y = (rng.random((num_clips, num_classes)) < density).astype(np.float32)
    return y, np.ones_like(y, dtype=bool)


def test_labelled_subsets_nest_and_have_the_asked_size():
    y, mask = random_labels()
    mask[::4] = False  # a quarter of the clips has no label to keep
    smaller: set[int] = set()
    for p_s in (0.01, 0.02, 0.05, 0.1, 0.5, 1.0):
        kept = labelled_subset(y, mask, p_s, seed=3)
        assert len(kept) == round(p_s * 300)  # once, not p_s ** 2
        assert smaller <= set(kept.tolist())
        assert mask[kept].any(axis=1).all()
        smaller = set(kept.tolist())


def test_labelled_subset_is_a_function_of_the_seed():
    y, mask = random_labels()
    assert np.array_equal(labelled_subset(y, mask, 0.1, 1), labelled_subset(y, mask, 0.1, 1))
    assert not np.array_equal(labelled_subset(y, mask, 0.1, 1), labelled_subset(y, mask, 0.1, 2))


def test_p_s_zero_keeps_none_and_a_tiny_p_s_keeps_one():
    y, mask = random_labels()
    assert len(labelled_subset(y, mask, 0.0, 0)) == 0
    assert len(labelled_subset(y, mask, 1e-6, 0)) == 1


@pytest.mark.parametrize(("p_s", "hint"), [(10, "did you mean 0.10"), (-0.1, "got -0.1")])
def test_p_s_outside_the_unit_interval_is_refused(p_s, hint):
    y, mask = random_labels()
    with pytest.raises(InputError, match=hint):
        labelled_subset(y, mask, p_s, 0)


@pytest.mark.parametrize("seed", range(5))
def test_a_stratified_draw_observes_every_class_both_ways_where_a_random_one_does_not(seed):
    y, mask = random_labels(num_clips=2000, density=0.02, seed=seed)
    p_s = 40 / 2000  # two turns of twenty classes
    stratified = labelled_subset(y, mask, p_s, seed, stratified=True)
    random = labelled_subset(y, mask, p_s, seed)
    assert len(stratified) == len(random) == 40
    assert y[stratified].any(axis=0).all()
    assert (1 - y[stratified]).any(axis=0).all()
    assert not y[random].any(axis=0).all()
    half = labelled_subset(y, mask, p_s / 2, seed, stratified=True)
    assert set(half.tolist()) <= set(stratified.tolist())


def test_a_stratified_order_loses_no_clip():
    y, mask = random_labels(num_clips=50)
    assert np.array_equal(labelled_subset(y, mask, 1.0, 0, stratified=True), np.arange(50))


def test_carving_keeps_groups_whole_and_parts_disjoint():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 500).astype(str)
    rows = rng.permutation(1000)[:500]
    train, val = carve_validation(rows, 0.15, 0, np.ones((500, 1), bool), groups)
    group_of = dict(zip(rows.tolist(), groups.tolist(), strict=True))
    assert not {group_of[i] for i in train.tolist()} & {group_of[i] for i in val.tolist()}
    assert sorted([*train, *val]) == sorted(rows)
    assert abs(len(val) - 75) <= np.unique(groups, return_counts=True)[1].max()


def test_carving_openmic_matches_the_papers_count():
    present = np.random.default_rng(0).random((14915, 20)) < 0.05
    train, val = carve_validation(np.arange(14915), 0.15, 0, present)
    assert len(val) == round(0.15 * 14915) == 2237  # and 12678 train: AttentionMIC's own split
    assert len(train) == 12678


def test_carving_groups_of_one_class_each_is_fairer_than_one_draw():
    """Ten classes of six groups: how far the classes' shares are from 15 %, over ten corpora."""
    deviation = {1: 0.0, 200: 0.0}
    for seed in range(10):
        groups = np.repeat(np.arange(60), np.random.default_rng(seed).integers(1, 8, 60))
        present = np.eye(10, dtype=bool)[groups % 10]
        for tries in deviation:
            _, val = carve_validation(
                np.arange(len(groups)), 0.15, seed, present, groups.astype(str), tries
            )
            shares = present[val].sum(axis=0) / present.sum(axis=0)
            deviation[tries] += float(np.abs(shares - 0.15).mean())
            if tries > 1:
                assert (shares > 0).sum() >= 7
    assert deviation[200] < 0.65 * deviation[1]


def test_carving_a_single_group_is_refused():
    with pytest.raises(InputError, match=r"1 group\(s\)"):
        carve_validation(np.arange(10), 0.15, 0, np.ones((10, 1), bool), np.array(["a"] * 10))


def test_carving_two_groups_leaves_one_to_train_on():
    groups = np.array(["a"] * 9 + ["b"])
    train, val = carve_validation(np.arange(10), 0.9, 0, np.ones((10, 1), bool), groups)
    assert len(train) > 0
    assert len(val) > 0


def test_observed_cells_are_few_nested_and_about_half_positive():
    y, mask = random_labels(num_clips=5000)
    few = observed_cells(y, mask, 0.1, seed=0)
    more = observed_cells(y, mask, 0.3, seed=0)
    assert (few.sum(axis=1) == 2).all()
    assert (few <= more).all()
    both_kinds = y.any(axis=1) & (1 - y).any(axis=1)
    assert (y[both_kinds][few[both_kinds]].mean()) == 0.5  # one of each kind


def test_observed_cells_never_reveal_what_was_hidden():
    y, mask = random_labels()
    mask &= np.random.default_rng(1).random(mask.shape) < 0.5
    kept = observed_cells(y, mask, 0.2, seed=0)
    assert (kept <= mask).all()
    assert (kept.sum(axis=1) == np.minimum(4, mask.sum(axis=1))).all()
    assert np.array_equal(observed_cells(y, mask, 1.0, seed=0), mask)


def test_observed_cells_pick_classes_evenly():
    y = np.zeros((20000, 10), np.float32)
    kept = observed_cells(y, np.ones_like(y, dtype=bool), 0.1, seed=0)
    counts = kept.sum(axis=0)
    assert abs(counts - 2000).max() < 5 * np.sqrt(2000 * 0.9)


def one_class(num_clips=300, num_classes=10, seed=0):
    """One-hot labels of classes from rare to common."""
    rng = np.random.default_rng(seed)
    shares = np.arange(1, num_classes + 1) / np.arange(1, num_classes + 1).sum()
    y = np.eye(num_classes, dtype=np.float32)[rng.choice(num_classes, num_clips, p=shares)]
    return y, np.ones_like(y, dtype=bool)


@pytest.mark.parametrize("seed", range(3))
def test_a_stratified_draw_of_one_class_a_clip_takes_as_many_of_each(seed):
    y, mask = one_class(seed=seed)
    kept = labelled_subset(y, mask, 30 / 300, seed, stratified=True, task="multi_class")
    fewest = np.minimum(y.sum(axis=0), 3)
    assert (y[kept].sum(axis=0) >= fewest).all()
    assert len(kept) == 30
    whole = labelled_subset(y, mask, 1.0, seed, stratified=True, task="multi_class")
    assert np.array_equal(whole, np.arange(300))


def values(num_clips=400, seed=0):
    """Skewed real targets, most of them small, some not known."""
    rng = np.random.default_rng(seed)
    y = (rng.lognormal(size=(num_clips, 2)) - 1).astype(np.float32)
    mask = rng.random(y.shape) < 0.8
    y[~mask] = np.nan
    return y, mask


def test_strata_of_a_regression_are_the_quarters_of_what_was_observed():
    y, mask = values()
    kinds = strata(y, mask, "regression")
    assert kinds.shape == (400, 8)
    for column in range(2):
        seen = np.flatnonzero(mask[:, column])
        ranks = np.argsort(np.argsort(y[seen, column]))
        expected = 4 * ranks // len(seen)
        quarters = kinds[:, 4 * column : 4 * column + 4]
        assert np.abs(quarters[seen].argmax(axis=1) - expected).max() <= 1
        assert np.mean(quarters[seen].argmax(axis=1) == expected) > 0.99
        assert np.array_equal(quarters.sum(axis=1), mask[:, column])


def test_strata_of_classes_are_the_clips_in_which_they_are_present():
    y, mask = random_labels()
    mask[::3] = False
    for task in ("multi_label", "multi_class"):
        assert np.array_equal(strata(y, mask, task), (y >= 0.5) & mask)


@pytest.mark.parametrize("seed", range(3))
def test_a_stratified_draw_of_a_regression_spans_the_range(seed):
    y, mask = values(seed=seed)
    kinds = strata(y, mask, "regression")
    kept = labelled_subset(y, mask, 0.04, seed, stratified=True, task="regression")
    assert (kinds[kept].sum(axis=0) >= 2).all()  # 16 clips, 8 kinds
    more = labelled_subset(y, mask, 0.1, seed, stratified=True, task="regression")
    assert set(kept.tolist()) <= set(more.tolist())
    labelled = np.flatnonzero(mask.any(axis=1))
    everything = labelled_subset(y, mask, 1.0, seed, stratified=True, task="regression")
    assert np.array_equal(everything, labelled)


def test_carving_by_strata_validates_every_quarter():
    y, mask = values()
    groups = np.repeat(np.arange(40), 10).astype(str)
    kinds = strata(y, mask, "regression")
    _, val = carve_validation(np.arange(400), 0.15, 0, kinds, groups)
    shares = kinds[val].sum(axis=0) / kinds.sum(axis=0)
    assert np.abs(shares - 0.15).max() < 0.1


def test_observed_cells_of_a_regression_are_drawn_whatever_their_value():
    y = np.where(np.arange(10) < 5, 0.0, 100.0) * np.ones((4000, 1), np.float32)
    mask = np.ones_like(y, dtype=bool)
    kept = observed_cells(y, mask, 0.3, seed=0, task="regression")
    assert (kept.sum(axis=1) == 3).all()
    high = kept[:, 5:].sum(axis=1)
    assert (high == 3).any()  # kinds in turn would never keep three of one kind
    assert (high == 0).any()


def test_single_cells_of_a_clip_with_one_class_are_not_hidden():
    y, mask = one_class()
    assert np.array_equal(observed_cells(y, mask, 1.0, 0, "multi_class"), mask)
    with pytest.raises(InputError, match=r"p_cells=0.5 hides single classes .* with data\.p_s"):
        observed_cells(y, mask, 0.5, 0, "multi_class")


def test_used_unlabelled_clips_nest_and_have_the_asked_size():
    train = np.arange(100, 500)
    unlabelled = train[::2]
    smaller: set[int] = set()
    for u_s in (0.0, 0.02, 0.125, 0.5, 1.0):
        used = used_unlabelled(unlabelled, u_s, seed=3, order_of=train)
        assert len(used) == round(u_s * 200)
        assert smaller <= set(used.tolist()) <= set(unlabelled.tolist())
        assert (np.diff(used) > 0).all()
        smaller = set(used.tolist())
    assert smaller == set(unlabelled.tolist())


def test_used_unlabelled_clips_depend_on_the_seed_and_not_on_the_labelled_subset():
    train = np.arange(400)
    y, mask = random_labels()
    first, second = (used_unlabelled(train, 0.1, seed, train) for seed in (0, 1))
    assert set(first.tolist()) != set(second.tolist())
    assert set(first.tolist()) != set(labelled_subset(y, mask, 0.1, seed=0).tolist())
    fewer = used_unlabelled(np.setdiff1d(train, first[:5]), 0.1, 0, train)
    assert len(set(first.tolist()) & set(fewer.tolist())) == 35  # the others move up


@pytest.mark.parametrize(("u_s", "hint"), [(-0.1, "-0.1"), (5.0, r"did you mean 0\.05")])
def test_a_fraction_of_unlabelled_clips_out_of_range_is_refused(u_s, hint):
    with pytest.raises(InputError, match=rf"data\.u_s must be in \[0, 1\], got .*{hint}"):
        used_unlabelled(np.arange(10), u_s, 0, np.arange(10))


def test_validation_labels_are_a_number_or_a_fraction_or_all():
    y, mask = random_labels(100)
    mask[:20] = False
    chosen = {
        amount: labelled_validation(y, mask, amount, seed=2) for amount in (None, 1, 8, 0.1, 0.5)
    }
    assert {amount: len(rows) for amount, rows in chosen.items()} == {
        None: 80, 1: 1, 8: 8, 0.1: 8, 0.5: 40
    }  # fmt: skip
    assert np.array_equal(chosen[8], chosen[0.1])
    assert set(chosen[1].tolist()) < set(chosen[8].tolist()) < set(chosen[0.5].tolist())
    assert mask[chosen[None]].any(axis=1).all()


@pytest.mark.parametrize("amount", [0, 0.0, -1, 1.5, 81, True])
def test_validation_labels_out_of_range_are_refused(amount):
    y, mask = random_labels(100)
    mask[:20] = False
    with pytest.raises(InputError, match=r"data\.val_labels must be .* from 1 to the 80 that have"):
        labelled_validation(y, mask, amount, seed=0)


def half_up(total, text):
    """In exact fractions, from the number as it is written."""
    exact = Fraction(text) * total
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


SHARES = [f"0.{number:03d}" for number in range(0, 1000, 5)] + ["1.0", "0.333", "0.0625"]


def test_counts_are_rounded_half_up_in_decimals():
    for text in SHARES:
        for total in (1, 5, 10, 25, 35, 100, 201, 1000):
            assert share_of(total, float(text)) == half_up(total, text), (text, total)
    assert (round(0.1 * 25), share_of(25, 0.1)) == (2, 3)
    assert (round(0.145 * 100), share_of(100, 0.145)) == (14, 15)


@pytest.mark.parametrize(("text", "total"), [("0.1", 25), ("0.1", 35), ("0.5", 5), ("0.145", 100)])
def test_every_count_of_a_fraction_is_rounded_alike(text, total):
    fraction, expected = float(text), half_up(total, text)
    y, mask = random_labels(total, 4)
    assert len(labelled_subset(y, mask, fraction, seed=0)) == expected
    assert len(labelled_subset(y, mask, fraction, seed=0, stratified=True)) == expected
    assert len(labelled_validation(y, mask, fraction, seed=0)) == expected
    clips = np.arange(total)
    assert len(used_unlabelled(clips, fraction, 0, order_of=clips)) == expected
    assert labelled_share(fraction, total) == expected
    assert len(carve_validation(clips, fraction, 0, mask)[1]) == expected
    wide = np.ones((3, total), np.float32)
    assert (observed_cells(wide, wide > 0, fraction, 0).sum(axis=1) == expected).all()


def test_a_number_of_validation_clips_is_that_number():
    y, mask = random_labels(37, 4)
    for amount in range(1, 38):
        assert len(labelled_validation(y, mask, amount, seed=0)) == amount


def test_a_batch_holds_the_labelled_clips_that_its_size_was_made_for():
    for text in SHARES[1:]:
        for labelled in (1, 5, 32, 48):
            assert labelled_share(float(text), batch_size(labelled, float(text))) == labelled
    assert batch_size(5, 0.4) == half_up(1, "12.5") == 13
