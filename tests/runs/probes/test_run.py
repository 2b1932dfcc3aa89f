"""Oracles: each thing that results follow from, or do not, changed by itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from musicssl.probing.linear import Linear
from musicssl.runs.probes.encoder_source import of_statistics
from musicssl.runs.probes.run import Plan
from tests.support.tiny import Tiny

PLAN = Plan(
    name="linear",
    probe=Linear(),
    fractions=(0.1, 1.0),
    seeds=(0, 1),
    stratified=False,
    val_fraction=0.15,
    split_seed=0,
    val_list=None,
    batch_size=32,
    cache="cache",
    device=torch.device("cpu"),
    settings={"probe": {"strengths": [1.0]}},
    dataset={"cache": "a"},
    overwrite=False,
)
CORPUS = Tiny().load()
SOURCE = of_statistics(None)


def moved(array, value):
    changed = array.copy()
    changed.flat[0] = value
    return changed


@pytest.mark.parametrize(
    "changes",
    [
        {"fractions": (0.2, 1.0)},
        {"seeds": (0, 2)},
        {"stratified": True},
        {"val_fraction": 0.3},
        {"split_seed": 1},
        {"settings": {"probe": {"strengths": [2.0]}}},
    ],
)
def test_what_the_plan_says_is_in_the_name_of_the_results(changes):
    assert replace(PLAN, **changes).made_of(SOURCE, CORPUS) != PLAN.made_of(SOURCE, CORPUS)


@pytest.mark.parametrize(
    "changes",
    [
        {"y": moved(CORPUS.y, 1 - CORPUS.y.flat[0])},
        {"mask": moved(CORPUS.mask, False)},
        {"split": moved(CORPUS.split, "test")},
        {"x": moved(CORPUS.x, -1)},
        {"clip_ids": moved(CORPUS.clip_ids, "other")},
        {"groups": np.array(["g"] * len(CORPUS.y))},
        {"credit": np.eye(3, dtype=np.float32)},
        {"classes": ("a", "b", "d")},
        {"task": "regression"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_the_corpus_holds_is_in_the_name_of_the_results(changes):
    other = replace(CORPUS, **changes)
    assert PLAN.made_of(SOURCE, other) != PLAN.made_of(SOURCE, CORPUS)


def test_another_source_has_another_name_and_places_have_none():
    name = PLAN.made_of(SOURCE, CORPUS)
    assert PLAN.made_of(of_statistics(800), CORPUS) != name
    elsewhere = replace(PLAN, cache="b", batch_size=1, dataset={"cache": "b"}, overwrite=True)
    assert elsewhere.made_of(SOURCE, CORPUS) == name
    hidden = replace(CORPUS, mask=moved(CORPUS.mask, False))
    assert PLAN.made_of(SOURCE, replace(hidden, y=moved(CORPUS.y, 7))) == PLAN.made_of(
        SOURCE, hidden
    )


def test_a_corpus_is_divided_as_the_plan_says():
    unsplit = replace(CORPUS, split=np.where(CORPUS.split == "val", "train", CORPUS.split))
    val = [
        replace(PLAN, val_fraction=fraction, split_seed=seed).datamodule(unsplit).rows("val")
        for fraction, seed in ((0.15, 0), (0.3, 0), (0.15, 1))
    ]
    assert [len(rows) for rows in val] == [14, 29, 14]
    assert val[0].tolist() != val[2].tolist()
