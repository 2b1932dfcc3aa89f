"""A grid of settings of one method, whose scores on validation and test clips are at odds."""

from functools import cache

import numpy as np
from sklearn.metrics import roc_auc_score

from tests.support.synthetic_runs import CLASSES, scores, settings, truth, write_run

DROPOUTS = (0.1, 0.2, 0.3)
TEXTS = tuple(f"encoder.dropout={dropout}" for dropout in DROPOUTS)
SEEDS = (0, 1, 2)
VALIDATION = truth(num_clips=200, seed=5)
TEST = truth(num_clips=200, seed=6)
ON_VALIDATION = np.array([[1.6, 0.5, 0.5], [0.5, 1.6, 0.4], [1.2, 1.2, 0.75]])
ON_TEST = np.array([[0.6, 1.8, 0.9], [1.8, 0.6, 0.9], [0.2, 0.4, 0.7]])


@cache
def drawn(setting, seed):
    """Scores of validation and of test clips, each (N, C), of a setting by its place."""
    rng = np.random.default_rng([setting, seed])
    return tuple(
        scores(quality[setting], targets, rng)
        for quality, (targets, _) in ((ON_VALIDATION, VALIDATION), (ON_TEST, TEST))
    )


def auroc(values, targets, mask):
    """By class, (C), as scikit-learn has it; NaN unless both values were observed."""
    return np.array(
        [
            roc_auc_score(targets[seen, c], values[seen, c])
            if len(set(targets[seen, c].tolist())) == 2
            else np.nan
            for c, seen in enumerate(mask.T)
        ]
    )


def write_tuned(
    root, seeds_of=(SEEDS, SEEDS, SEEDS), p_s=0.1, validation=VALIDATION, validated=True
):
    """Write a run of each setting and seed.

    Args:
        root: To write to.
        seeds_of: Those of each setting.
        p_s: Fraction of labels.
        validation: Targets and mask.
        validated: False: runs of an older version.
    """
    for setting, seeds in enumerate(seeds_of):
        for seed in seeds:
            on_validation, on_test = drawn(setting, seed)
            write_run(
                root / f"d{DROPOUTS[setting]}_p{p_s}_s{seed}",
                settings("dgm", seed, p_s, dropout=DROPOUTS[setting]),
                test=TEST,
                given=on_test,
                validation=(on_validation, *validation) if validated else None,
            )
    return root


def by_loop(seeds=SEEDS, settings=(0, 1, 2), validation=VALIDATION):
    """The place of the best setting of each class on validation, (C), and of the best for all."""
    means = {}
    for setting in settings:
        found = [auroc(drawn(setting, seed)[0], *validation) for seed in seeds]
        means[setting] = sum(found) / len(found)
    best = []
    for c in range(len(CLASSES)):
        winner = settings[0]
        for setting in settings:
            if means[setting][c] > means[winner][c] or np.isnan(means[winner][c]):
                winner = setting if not np.isnan(means[setting][c]) else winner
        best.append(winner)
    overall = [np.nanmean(means[setting]) for setting in settings]
    return best, settings[int(np.argmax(overall))]


def by_hand(seed):
    best, _ = by_loop()
    return np.stack([drawn(place, seed)[1][:, c] for c, place in enumerate(best)], axis=1)
