"""Studies of methods that are equally good: what a test finds in them is found by chance."""

import numpy as np

from musicssl.evaluation.statistics.delong import macro_auroc


def simulate(rng, num_seeds=3, num_clips=60, clip_effect=0.7, seed_effect=0.3, own=0.7, methods=2):
    """AUROC, (M, S), and influences, (M, S, N), of methods that are equally good.

    Scores vary by clip for all trainings of a method alike, by training for all clips alike, and
    by training and clip.
    """
    present = np.arange(num_clips) < num_clips // 2
    aurocs, influences = np.zeros((methods, num_seeds)), np.zeros((methods, num_seeds, num_clips))
    for method in range(methods):
        of_clips = clip_effect * rng.normal(size=num_clips)
        for seed in range(num_seeds):
            quality = 1 + seed_effect * rng.normal()
            scores = quality * present + of_clips + own * rng.normal(size=num_clips)
            result = macro_auroc(scores[:, None], present[:, None], np.ones((num_clips, 1), bool))
            aurocs[method, seed], influences[method, seed] = result.macro, result.influence
    return aurocs, influences
