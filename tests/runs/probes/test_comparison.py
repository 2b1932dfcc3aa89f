"""Oracles: scores whose order is known."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from musicssl.documents import write_json
from musicssl.errors import InputError
from musicssl.runs.probes.comparison import against
from musicssl.runs.probes.folder import ProbeFolder

N = 200


def auroc(y, scores):
    return roc_auc_score(y, scores, average="macro")


def probe(path, label, noise, fractions=(0.1, 1.0), seed=0, clip="clip"):
    """A folder whose scores are the targets with noise, less of it with all labels."""
    rng = np.random.default_rng(1)
    y = (rng.random((N, 2)) < 0.4).astype(np.float32)
    rng = np.random.default_rng(seed)
    scores = [
        1 / (1 + np.exp(-(y + noise / p_s**0.1 * rng.normal(size=y.shape)))) for p_s in fractions
    ]
    path.mkdir()
    folder = ProbeFolder(path)
    np.savez(
        folder.predictions,
        scores=np.array(scores, np.float32),
        targets=y,
        mask=np.ones_like(y, dtype=bool),
        clip_ids=np.array([f"{clip}{n}" for n in range(N)]),
        task=np.array("multi_label"),
    )
    fits = [{"p_s": p_s} for p_s in fractions]
    cells = [
        {"p_s": p_s, "mean": {"auroc": auroc(y, one)}}
        for p_s, one in zip(fractions, scores, strict=True)
    ]
    write_json(
        folder.metrics,
        {"source": {"label": label}, "metric": "auroc", "fits": fits, "cells": cells},
    )
    return folder


def test_the_better_one_is_better_and_a_copy_is_neither(tmp_path):
    good = probe(tmp_path / "good", "good", 0.5)
    rows = against(good, good.document(), probe(tmp_path / "bad", "bad", 3.0, seed=2))
    assert [(row["with"], row["p_s"]) for row in rows] == [("bad", 0.1), ("bad", 1.0)]
    for row in rows:
        assert 0 < row["interval"][0] < row["interval"][1]
        assert row["p"] < 0.01
        assert row["interval"][0] < row["difference"] < row["interval"][1]
    same = against(good, good.document(), probe(tmp_path / "same", "same", 0.5))
    assert [(row["interval"], row["p"]) for row in same] == [([0, 0], 1)] * 2


def test_fractions_that_only_one_has_are_left_out(tmp_path):
    both = probe(tmp_path / "both", "both", 0.5)
    one = probe(tmp_path / "one", "one", 0.5, fractions=(1.0,))
    assert [row["p_s"] for row in against(both, both.document(), one)] == [1.0]


def test_other_clips_are_not_compared(tmp_path):
    mine = probe(tmp_path / "mine", "mine", 0.5)
    theirs = probe(tmp_path / "theirs", "theirs", 0.5, clip="other")
    with pytest.raises(InputError, match="other clips"):
        against(mine, mine.document(), theirs)
