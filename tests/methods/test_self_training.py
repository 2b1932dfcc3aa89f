"""Oracle: the algorithm by loops over clips, with scikit-learn's classifier."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.methods.self_training import SelfTraining
from tests.support.arrays import arrays_in
from tests.support.kinds import OneClass
from tests.support.training_command import run

LR = LogisticRegression(C=0.1, max_iter=1000)


def self_training(classifier=LR, task="multi_class", num_classes=3, **settings):
    sizes = {"num_features": 8, "num_instances": 5, "num_classes": num_classes}
    return SelfTraining(**sizes, features="instances", classifier=classifier, task=task, **settings)


def clips(num_clips=80, seed=0, apart=1.5):
    """Clips of three classes, of which the last is rare."""
    rng = np.random.default_rng(seed)
    answers = rng.choice(3, num_clips, p=(0.4, 0.4, 0.2))
    x = rng.normal(size=(num_clips, 8))
    x[np.arange(num_clips), answers] += apart
    return (4 * x + 1).astype(np.float32), answers


def by_hand(x, values, unlabelled, rounds, uniform, weight):
    """Return the last classifier, and the scaler, after rounds written as loops over clips."""
    scaler = StandardScaler().fit(np.concatenate([x, unlabelled]))
    kinds = sorted(set(values.tolist()))
    counts = [1.0 if uniform else 1.0 + (values == kind).sum() for kind in kinds]
    share = [count / sum(counts) for count in counts]
    model = LogisticRegression(C=0.1, max_iter=1000).fit(scaler.transform(x), values)
    for k in range(1, rounds + 1):
        raw = model.predict_proba(scaler.transform(unlabelled))
        means = [np.mean([row[v] for row in raw]) for v in range(len(kinds))]
        rated = []
        for clip, row in enumerate(raw):
            aligned = [row[v] * share[v] / means[v] for v in range(len(kinds))]
            best = max(range(len(kinds)), key=aligned.__getitem__)
            rated.append((aligned[best] / sum(aligned), clip, best))
        chosen = {}
        for v in range(len(kinds)):
            of_class = sorted((r for r in rated if r[2] == v), key=lambda r: (-r[0], r[1]))
            for _, clip, _ in of_class[: round(k / rounds * len(unlabelled) * share[v])]:
                chosen[clip] = kinds[v]
        rows = sorted(chosen)
        model = LogisticRegression(C=0.1, max_iter=1000).fit(
            scaler.transform(np.concatenate([x, unlabelled[rows]])),
            np.concatenate([values, [chosen[row] for row in rows]]),
            [weight] * len(x) + [1.0] * len(rows),
        )
    return scaler, model


@pytest.mark.parametrize("shares", ["labelled", "uniform"])
@pytest.mark.parametrize("rounds", [0, 1, 4])
def test_one_class_a_clip_is_the_algorithm_by_hand(rounds, shares):
    (x, answers), (test, _) = clips(), clips(seed=1)
    targets = np.eye(3, dtype=np.float32)[answers]
    mask = np.zeros((80, 3), bool)
    mask[:15] = True
    targets[15:] = 1 - targets[15:]  # hidden targets must not matter
    method = self_training(rounds=rounds, shares=shares, labelled_weight=2.0)
    method.fit(x, targets, mask)
    uniform = shares == "uniform"
    scaler, model = by_hand(x[:15], answers[:15], x[15:], rounds, uniform, weight=2.0)
    expected = model.predict_proba(scaler.transform(test))
    np.testing.assert_allclose(method.predict(test), expected, atol=1e-6)


def test_of_several_classes_each_learns_from_the_clips_in_which_it_was_not_observed():
    (x, answers), (test, _) = clips(), clips(seed=1)
    targets = np.eye(3, dtype=np.float32)[answers]
    mask = np.random.default_rng(3).random(targets.shape) < 0.4
    method = self_training(task="multi_label", rounds=3)
    method.fit(x, targets, mask)
    for c in range(3):
        seen = mask[:, c]
        values = targets[seen, c].astype(int)
        scaler, model = by_hand(x[seen], values, x[~seen], 3, uniform=False, weight=3.0)
        expected = model.predict_proba(scaler.transform(test))[:, 1]
        np.testing.assert_allclose(method.predict(test)[:, c], expected, atol=1e-6)


def test_clips_without_labels_help_where_classes_are_apart():
    """Three clips a class leave the direction open; two hundred clips without labels show it."""
    right = {0: [], 10: []}
    for seed in range(5):
        (x, answers), (test, truth) = clips(240, seed, apart=3.0), clips(300, seed + 50, apart=3.0)
        mask = np.zeros((240, 3), bool)
        for c in range(3):
            mask[np.flatnonzero(answers == c)[:2]] = True
        for rounds, found in right.items():
            method = self_training(rounds=rounds)
            method.fit(x, np.eye(3, dtype=np.float32)[answers], mask)
            found.append((method.predict(test).argmax(axis=1) == truth).mean())
    assert np.mean(right[10]) > np.mean(right[0]) + 0.05


def test_a_class_with_one_value_or_no_clip_without_labels_is_the_baseline():
    x, answers = clips()
    targets, mask = np.eye(3, dtype=np.float32)[answers], np.ones((80, 3), bool)
    targets[:, 1] = 1
    method = self_training(task="multi_label")
    method.fit(x, targets, mask)
    scaler = StandardScaler().fit(x)
    alone = LogisticRegression(C=0.1, max_iter=1000).fit(scaler.transform(x), targets[:, 0])
    found = method.predict(x)
    np.testing.assert_allclose(found[:, 0], alone.predict_proba(scaler.transform(x))[:, 1])
    assert (found[:, 1] == 1).all()


@pytest.mark.parametrize("classifier", [SVC(C=1.0), RandomForestClassifier(10, random_state=0)])
def test_other_classifiers_of_scikit_learn_can_be_used(classifier):
    x, answers = clips(apart=4.0)
    mask = np.zeros((80, 3), bool)
    mask[:20] = True
    method = self_training(classifier, rounds=2)
    method.fit(x, np.eye(3, dtype=np.float32)[answers], mask)
    assert (method.predict(x).argmax(axis=1) == answers).mean() > 0.9


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rounds": -1}, "method.rounds must be 0 or more, got -1"),
        ({"shares": "equal"}, "method.shares must be labelled or uniform, got equal"),
        ({"labelled_weight": 0.0}, "method.labelled_weight must be above 0, got 0"),
        ({"classifier": KNeighborsClassifier()}, "KNeighborsClassifier does not; choose another"),
    ],
)
def test_settings_out_of_range_are_refused(settings, said):
    with pytest.raises(InputError, match=said):
        self_training(**settings)


ONE_CLASS = f"dataset._target_={OneClass.__module__}.OneClass"


def test_the_command_trains_it_and_leaves_out_clips_that_are_not_used(tmp_path):
    """With u_s=0 there are no pseudo-labels: the scores are those of no rounds."""
    settings = ("method=self_training", "data.p_s=0.3", "data.u_s=0")
    with_rounds = run(tmp_path / "a", ONE_CLASS, *settings)
    without = run(tmp_path / "b", ONE_CLASS, *settings, "method.rounds=0")
    scores = [arrays_in(folder.predictions)["scores"] for folder in (with_rounds, without)]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("u_s", [1.0, 0.5])
def test_the_unlabelled_clips_can_be_those_of_a_second_corpus(u_s):
    one, other = OneClass(), OneClass(seed=1)
    module = SemiSupervisedDataModule(one, unlabelled=other, b_s=0.5, p_s=0.3, u_s=u_s)
    module.setup()
    method = self_training(rounds=3)
    method.learn(module, None)
    corpus, second = one.load(), other.load()
    x, x_second = (np.concatenate([c.x.mean(1), c.x.std(1)], 1) for c in (corpus, second))
    labelled, pool = module.subsets.labelled, module.subsets.pool - len(x)
    assert len(pool) == u_s * (second.split == "train").sum()
    answers = corpus.y.argmax(axis=1)
    scaler, model = by_hand(x[labelled], answers[labelled], x_second[pool], 3, False, weight=3.0)
    expected = model.predict_proba(scaler.transform(x))
    np.testing.assert_allclose(method.predict(x), expected, atol=1e-4)
