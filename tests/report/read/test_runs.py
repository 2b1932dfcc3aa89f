"""Oracle: the run that was written; what is broken is named."""

import json
import re

import numpy as np
import pytest
import torch

from musicssl.documents import read_json
from musicssl.errors import InputError
from musicssl.evaluation.metrics import per_class_metrics
from musicssl.report.read.runs import read_run, read_runs
from musicssl.runs.folder import RunFolder
from tests.support.arrays import arrays_in
from tests.support.synthetic_runs import scores, settings, truth, write_run


def test_a_run_is_read_as_it_was_written(tmp_path):
    targets, mask = truth()
    given = scores(0.5, targets, np.random.default_rng(0))
    folder = write_run(
        tmp_path / "run",
        settings("att", seed=3, p_s=0.02),
        given=given,
        localisation={"auroc_weighted": 0.7, "auroc_instance": None},
    )
    run = read_run(folder)
    assert (run.folder, run.name, run.seed, run.p_s) == (folder, "att", 3, 0.02)
    assert (run.labelled, run.best_epoch) == (20, 1)
    assert run.metrics["auroc_weighted"] == 0.7
    assert np.isnan(run.metrics["auroc_instance"])
    expected = per_class_metrics(*map(torch.from_numpy, (given, targets, mask)))
    np.testing.assert_allclose(run.scores.by_class, expected["auroc"], atol=1e-6)
    assert run.metrics["f1"] == pytest.approx(float(expected["f1"].nanmean()))


def test_a_method_without_epochs_has_no_best_one(tmp_path):
    assert read_run(write_run(tmp_path / "run", settings(), best_epoch=None)).best_epoch is None


def test_validation_is_read_and_absent_from_a_run_of_an_older_version(tmp_path):
    targets, mask = truth(40, seed=1)
    targets[:, 1] = 0
    given = scores(0.5, targets, np.random.default_rng(0))
    run = read_run(write_run(tmp_path / "run", settings(), validation=(given, targets, mask)))
    expected = per_class_metrics(*map(torch.from_numpy, (given, targets, mask)))["auroc"]
    np.testing.assert_array_equal(run.validation, expected)
    assert np.isnan(run.validation).tolist() == [False, True, False]
    assert read_run(write_run(tmp_path / "old", settings())).validation is None


def test_validation_of_other_classes_is_damage(tmp_path):
    validation = (scores(0.5, truth()[0], np.random.default_rng(0)), *truth())
    folder = write_run(tmp_path / "run", settings(), validation=validation)
    document = read_json(folder / "metrics.json")
    document["validation"]["per_class"]["auroc"].pop()
    (folder / "metrics.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"metrics.json is missing or damaged .*validation"):
        read_run(folder)


def test_overlapping_folders_count_a_run_once_and_truth_is_kept_once(tmp_path):
    for seed in range(2):
        write_run(tmp_path / "a" / f"s{seed}", settings(seed=seed))
    found = read_runs([tmp_path, tmp_path / "a", tmp_path / "a" / "s1"])
    assert [run.seed for run in found.runs] == [0, 1]
    assert found.runs[0].test_set is found.runs[1].test_set
    assert (found.unfinished, found.left_out) == ([], [])


def test_a_run_that_is_not_finished_is_left_out_and_named(tmp_path):
    write_run(tmp_path / "done", settings())
    RunFolder(tmp_path / "started").claim(settings(seed=1))
    dashboard = tmp_path / "done" / "wandb" / "files"
    dashboard.mkdir(parents=True)
    (dashboard / "config.yaml").write_text("data:\n  value:\n    p_s: 1.0\n")  # no run's
    found = read_runs([tmp_path])
    assert [run.folder.name for run in found.runs] == ["done"]
    assert found.unfinished == [tmp_path / "started"]


def test_a_folder_that_is_not_there_is_a_mistake_of_the_user(tmp_path):
    with pytest.raises(InputError, match=r"there is no folder .*absent"):
        read_runs([tmp_path / "absent"])


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json", "predictions.npz"])
@pytest.mark.parametrize("damage", ["empty", "half", "noise"])
def test_a_damaged_file_is_named_with_the_cure(tmp_path, name, damage):
    file = write_run(tmp_path / "run", settings()) / name
    whole = file.read_bytes()
    broken = {"empty": b"", "half": whole[: len(whole) // 2], "noise": b"\x93{:\x00" + whole}
    file.write_bytes(broken[damage])
    with pytest.raises(InputError, match=f"{name} is missing or damaged .* run the training"):
        read_run(file.parent)


@pytest.mark.parametrize("name", ["config.yaml", "predictions.npz"])
def test_a_missing_file_is_named_with_the_cure(tmp_path, name):
    folder = write_run(tmp_path / "run", settings())
    (folder / name).unlink()
    found = read_runs([folder])
    [sentence] = found.left_out
    assert sentence.startswith(f"Left out: {folder / name} is missing or damaged")
    assert found.runs == []


def test_arrays_that_do_not_belong_together_are_noticed(tmp_path):
    file = write_run(tmp_path / "run", settings()) / "predictions.npz"
    arrays = arrays_in(file)
    np.savez(file, **(arrays | {"scores": arrays["scores"][1:]}))
    with pytest.raises(InputError, match=r"predictions.npz is .* its arrays have different sizes"):
        read_run(file.parent)


def test_scores_that_are_not_those_of_the_result_are_noticed(tmp_path):
    folder = write_run(tmp_path / "run", settings())
    document = read_json(folder / "metrics.json")
    document["macro"]["auroc"] += 0.01
    (folder / "metrics.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"predictions.npz gives a macro AUROC of 0\.\d+, metrics"):
        read_run(folder)


def test_test_clips_of_one_value_only_are_refused(tmp_path):
    targets, mask = truth()
    test = (np.ones_like(targets), mask)
    with pytest.raises(InputError, match="no class has both values among the test clips"):
        read_run(write_run(tmp_path / "run", settings(), test=test))


@pytest.mark.parametrize(
    ("name", "change", "cause"),
    [
        ("scores", lambda a: a.astype(np.complex64), "its scores are of the type complex64"),
        ("scores", lambda a: a.astype("U8"), "its scores are of the type <U8"),
        ("scores", lambda a: a * np.nan, "its scores are not finite"),
        ("targets", lambda a: a + np.inf, "its observed targets are not finite"),
        ("mask", lambda a: a.astype(float), "its mask are of the type float64"),
        ("classes", lambda a: np.arange(3), "its classes are of the type int64"),
        ("task", lambda a: np.array("dance"), "there is no task 'dance'"),
    ],
)
def test_arrays_of_other_kinds_are_damage(tmp_path, name, change, cause):
    file = write_run(tmp_path / "run", settings()) / "predictions.npz"
    arrays = {"task": np.array("multi_label"), **arrays_in(file)}
    np.savez(file, **(arrays | {name: change(arrays[name])}))
    with pytest.raises(InputError, match=r"predictions.npz is missing or damaged .*" + cause):
        read_run(file.parent)


def test_the_difference_between_test_sets_is_named(tmp_path):
    targets, mask = truth()
    flipped, hidden = targets.copy(), mask.copy()
    row = int(np.flatnonzero(mask[:, 0])[0])
    flipped[row, 0], hidden[row, 0] = 1 - flipped[row, 0], False
    odd = {
        "corpus": (settings(corpus_seed=7), None, "dataset.seed is 0 in one and 7 in the other"),
        "clips": (settings(), truth(61), "their test clips differ (60 and 61 clips; clip-060)"),
        "mask": (
            *(settings(), (targets, hidden)),
            "1 cells of their test labels are observed in one of them only",
        ),
        "truth": (settings(), (flipped, mask), "1 of their observed test labels differ"),
    }
    first = write_run(tmp_path / "first", settings(seed=1))
    for name, (config, test, difference) in odd.items():
        other = write_run(tmp_path / name, config, test=test)
        one, two = read_runs([first, other]).runs
        assert one.test_set is not two.test_set
        assert one.test_set.difference(two.test_set) == difference


def test_other_classes_are_another_test_set(tmp_path):
    first = write_run(tmp_path / "first", settings())
    other = write_run(tmp_path / "other", settings(seed=1))
    arrays = arrays_in(other / "predictions.npz")
    for classes, difference in (
        (np.array(["violin", "x", "y"]), r"their classes differ .*x"),
        (arrays["classes"][::-1], "their classes are in another order"),
    ):
        np.savez(other / "predictions.npz", **(arrays | {"classes": classes}))
        one, two = read_runs([first, other]).runs
        assert re.match(difference, one.test_set.difference(two.test_set))


@pytest.mark.parametrize("quality", [0.5, 0.9])
def test_of_copies_of_a_run_the_first_counts_and_the_other_is_named(tmp_path, quality):
    for name, its_quality in (("backup", 0.5), ("runs", quality)):
        write_run(tmp_path / name / "p0.1_b1.0_s0", settings(), its_quality)
    found = read_runs([tmp_path])
    assert [run.folder.parent.name for run in found.runs] == ["backup"]
    results = "the same results" if quality == 0.5 else "other results"
    first, second = (tmp_path / name / "p0.1_b1.0_s0" for name in ("backup", "runs"))
    assert found.left_out == [
        f"Left out: {second} holds the settings and the seed of {first}, with {results}."
    ]


def test_what_was_not_observed_and_other_features_do_not_keep_runs_apart(tmp_path):
    targets, mask = truth()
    config = settings(seed=1)
    config["dataset"]["features"] = {"num_mels": 128}
    first = write_run(tmp_path / "first", settings())
    other = write_run(tmp_path / "other", config, test=(np.where(mask, targets, 1), mask))
    one, two = read_runs([first, other]).runs
    assert one.test_set is two.test_set


def test_a_report_ranks_by_the_log_odds_that_a_run_left(tmp_path):
    """Scores that have all rounded to 1 would be tied."""
    targets, _ = truth()
    odds = (40 + 10 * targets + np.random.default_rng(0).random(targets.shape)).astype(np.float32)
    given = torch.from_numpy(odds).sigmoid().numpy()
    folder = write_run(tmp_path / "run", settings(), given=given)
    assert read_run(folder).scores.macro == 0.5
    arrays = arrays_in(folder / "predictions.npz")
    np.savez_compressed(folder / "predictions.npz", **arrays, log_odds=odds)
    document = read_json(folder / "metrics.json")
    document["macro"]["auroc"] = 1.0
    (folder / "metrics.json").write_text(json.dumps(document))
    assert read_run(folder).scores.macro == 1.0
    np.savez_compressed(folder / "predictions.npz", **arrays, log_odds=odds[:, :1])
    with pytest.raises(InputError, match=r"predictions\.npz is missing or damaged"):
        read_run(folder)
