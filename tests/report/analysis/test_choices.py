"""Oracle: a slow loop over the raw scores with scikit-learn's AUROC."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from musicssl.errors import InputError
from musicssl.evaluation.statistics.delong import macro_auroc
from musicssl.report.analysis.choices import Setting, choose, composite, rivals
from musicssl.report.analysis.grouping import group
from musicssl.report.read.runs import read_runs
from tests.support.synthetic_regression import write_regression
from tests.support.synthetic_runs import CLASSES, settings, write_run
from tests.support.tuned_runs import (
    DROPOUTS,
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


def found(root, permuted=False):
    runs = read_runs([root]).runs
    if permuted:
        runs = [runs[place] for place in np.random.default_rng(0).permutation(len(runs))]
    return rivals(group(runs))


def texts(choice):
    return [setting.text for setting in choice.of_classes], choice.of_all.text


def expected(best, overall):
    return [TEXTS[place] for place in best], TEXTS[overall]


def test_each_class_gets_the_setting_that_is_best_on_validation_and_not_on_test(tmp_path):
    [dgm] = found(write_tuned(tmp_path))
    assert (dgm.name, dgm.p_s, [one.text for one in dgm.settings]) == ("dgm", 0.1, list(TEXTS))
    choice = choose(dgm)
    best, overall = by_loop()
    assert (best, overall) == ([0, 1, 2], 2)
    assert texts(choice) == expected(best, overall)
    on_test = [np.mean([auroc(drawn(m, s)[1], *TEST) for s in SEEDS], axis=0) for m in range(3)]
    assert np.argmax(on_test, axis=0).tolist() == [1, 0, 0]  # another answer for every class
    assert np.argmin(np.mean(on_test, axis=1)) == overall  # and for all of them
    assert (choice.seeds, choice.metric) == (SEEDS, "auroc")
    assert (choice.incomplete, choice.undefined) == ((), ())


def test_scores_are_those_of_the_runs(tmp_path):
    [dgm] = found(write_tuned(tmp_path))
    for place, setting in enumerate(dgm.settings):
        for row, seed in enumerate(SEEDS):
            on_validation, on_test = drawn(place, seed)
            np.testing.assert_allclose(
                setting.validation[row], auroc(on_validation, *VALIDATION), atol=1e-6
            )
            np.testing.assert_allclose(setting.test[row], auroc(on_test, *TEST), atol=1e-6)


def test_the_order_of_runs_does_not_matter(tmp_path):
    write_tuned(tmp_path)
    assert texts(choose(found(tmp_path)[0])) == texts(choose(found(tmp_path, permuted=True)[0]))


def test_means_are_over_seeds(tmp_path):
    alone = []
    for seed in SEEDS:
        [dgm] = found(write_tuned(tmp_path / str(seed), seeds_of=[(seed,)] * 3))
        alone.append(by_loop(seeds=(seed,)))
        assert texts(choose(dgm)) == expected(*alone[-1])
    assert any(answer != by_loop() for answer in alone)  # so that a single seed would not do


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_setting_that_lacks_a_seed_takes_no_part(tmp_path, missing):
    seeds_of = [SEEDS if place != missing else SEEDS[1:] for place in range(3)]
    [dgm] = found(write_tuned(tmp_path, seeds_of))
    choice = choose(dgm)
    others = tuple(place for place in range(3) if place != missing)
    assert texts(choice) == expected(*by_loop(settings=others))
    assert choice.incomplete == (TEXTS[missing],)
    assert choice.seeds == SEEDS


def test_of_equals_the_first_is_taken(tmp_path):
    for dropout in DROPOUTS[::-1]:
        for seed in SEEDS:
            write_run(
                tmp_path / f"{dropout}_{seed}",
                settings("dgm", seed, dropout=dropout),
                validation=(drawn(0, seed)[0], *VALIDATION),
            )
    assert texts(choose(found(tmp_path)[0])) == ([TEXTS[0]] * 3, TEXTS[0])


def test_a_class_that_validation_does_not_define_gets_the_first_setting(tmp_path):
    targets, mask = VALIDATION[0].copy(), VALIDATION[1]
    targets[:, 2] = 1
    [dgm] = found(write_tuned(tmp_path, validation=(targets, mask)))
    choice = choose(dgm)
    best, overall = by_loop(validation=(targets, mask))
    assert best == [0, 1, 0]
    assert texts(choice) == expected(best, overall)
    assert choice.undefined == (CLASSES[2],)


def test_undefined_is_worse_than_anything(tmp_path):
    targets = VALIDATION[0].copy()
    targets[:, 0] = 1
    write_tuned(tmp_path)
    first = tmp_path / f"d{DROPOUTS[0]}_p0.1_s0"
    write_run(
        first,
        settings("dgm", 0, dropout=DROPOUTS[0]),
        test=TEST,
        given=drawn(0, 0)[1],
        validation=(drawn(0, 0)[0], targets, VALIDATION[1]),
    )
    choice = choose(found(tmp_path)[0])
    means = [np.mean([auroc(drawn(m, s)[0], *VALIDATION)[0] for s in SEEDS]) for m in (1, 2)]
    assert choice.of_classes[0].text == TEXTS[1 + int(np.argmax(means))]
    assert choice.undefined == ()


def test_where_nothing_is_defined_the_first_stands_for_all(tmp_path):
    nothing = (np.ones_like(VALIDATION[0]), VALIDATION[1])
    choice = choose(found(write_tuned(tmp_path, validation=nothing))[0])
    assert texts(choice) == ([TEXTS[0]] * 3, TEXTS[0])
    assert choice.undefined == CLASSES


def test_rivals_share_a_name_and_a_fraction_of_labels(tmp_path):
    write_tuned(tmp_path, p_s=0.5)
    write_tuned(tmp_path, seeds_of=(SEEDS, (), ()), p_s=0.02)
    for b_s in (0.5, 1.0):
        write_run(tmp_path / f"att{b_s}", settings("att", b_s=b_s), test=TEST)
    write_run(tmp_path / "fc", settings("fc"), test=TEST)
    assert [(one.name, one.p_s, len(one.settings)) for one in found(tmp_path)] == [
        *(("att", 0.1, 2), ("dgm", 0.5, 3))
    ]


def test_runs_of_older_versions_cannot_be_chosen_from(tmp_path):
    write_tuned(tmp_path)
    write_tuned(tmp_path, seeds_of=((0,), (), ()), validated=False)
    [dgm] = found(tmp_path)
    assert [run.folder.name for run in dgm.unvalidated] == ["d0.1_p0.1_s0"]
    assert not dgm.can_be_chosen_from


def test_settings_that_validate_on_other_clips_cannot_be_chosen_from(tmp_path):
    for split_seed in (0, 1):
        config = settings("dgm")
        config["data"]["split_seed"] = split_seed
        write_run(tmp_path / str(split_seed), config, validation=(drawn(0, 0)[0], *VALIDATION))
    [dgm] = found(tmp_path)
    assert dgm.unlike == ("data.split_seed",)
    assert not dgm.can_be_chosen_from


# --- composites


def chosen(root):
    [dgm] = found(root)
    return choose(dgm)


def retold(run, told):
    return replace(run, test_set=replace(run.test_set, **told))


def test_each_class_is_scored_by_the_setting_chosen_for_it(tmp_path):
    cell = composite(chosen(write_tuned(tmp_path)))
    assert tuple(cell.runs) == SEEDS
    targets, mask = TEST
    for seed, run in cell.runs.items():
        values = by_hand(seed)
        columns = [(targets[seen, c].astype(int), values[seen, c]) for c, seen in enumerate(mask.T)]
        precision = [average_precision_score(*column) for column in columns]
        f1 = [f1_score(t, v >= np.float32(0.5)) for t, v in columns]
        assert run.metrics["auroc"] == pytest.approx(auroc(values, *TEST).mean())
        assert run.metrics["average_precision"] == pytest.approx(np.mean(precision))
        assert run.metrics["f1"] == pytest.approx(np.mean(f1))
        np.testing.assert_allclose(run.scores.by_class, auroc(values, *TEST))
        expected = macro_auroc(values, targets >= 0.5, mask).influence
        np.testing.assert_allclose(run.scores.influence, expected)
        assert (run.seed, run.labelled, run.settings) == (seed, 100, {})


def test_answers_of_clips_of_one_class_are_those_of_the_columns_together(tmp_path):
    """Accuracy is no mean over classes: the columns of several runs compete."""
    answers = np.random.default_rng(0).integers(3, size=len(TEST[0]))
    targets = np.eye(3, dtype=np.float32)[answers]
    choice = chosen(write_tuned(tmp_path))
    told = {"targets": targets, "mask": np.ones_like(targets, bool), "task": "multi_class"}
    of_classes = tuple(
        Setting(
            one.text,
            {
                seed: replace(run, test_set=replace(run.test_set, **told))
                for seed, run in one.runs.items()
            },
        )
        for one in choice.of_classes
    )
    choice = replace(choice, of_classes=of_classes)
    for seed, run in composite(choice).runs.items():
        expected = accuracy_score(answers, by_hand(seed).argmax(axis=1))
        assert run.metrics["accuracy"] == pytest.approx(expected)


def test_values_of_a_regression_are_put_together(tmp_path):
    for place, noise in enumerate(((0.3, 0.9), (0.9, 0.3))):
        for seed in SEEDS:
            config = settings("dgm", seed, dropout=0.1 + place)
            write_regression(tmp_path / f"{place}_{seed}", config, 0.5, on_validation=noise)
    choice = chosen(tmp_path)
    assert choice.metric == "r2"
    assert [one.text for one in choice.of_classes] == ["encoder.dropout=0.1", "encoder.dropout=1.1"]
    for seed, run in composite(choice).runs.items():
        r2 = [choice.of_classes[c].runs[seed].scores.by_class[c] for c in range(2)]
        assert run.metrics["r2"] == pytest.approx(np.mean(r2))


def test_a_file_of_scores_that_has_gone_is_named(tmp_path):
    choice = chosen(write_tuned(tmp_path))
    choice.of_classes[0].runs[1].predictions.unlink()
    with pytest.raises(InputError, match=r"predictions.npz is missing or damaged"):
        composite(choice)
