"""Oracles: what may be typed, and what of it is left."""

import math

import pytest

from musicssl.cli.probe_settings import checked_baselines, checked_fractions, checked_seeds
from musicssl.errors import InputError


@pytest.mark.parametrize(
    ("typed", "fractions"),
    [(0.1, (0.1,)), (1, (1.0,)), ([1, 0.1], (0.1, 1.0)), ([0.5, 0.5], (0.5,))],
)
def test_fractions_are_one_number_or_several(typed, fractions):
    assert checked_fractions(typed) == fractions


@pytest.mark.parametrize("typed", [0, -0.1, 1.5, math.nan, [], [0.1, 2], "all", True, None])
def test_other_fractions_are_refused(typed):
    with pytest.raises(InputError, match=r"data\.p_s"):
        checked_fractions(typed)


def test_draws_have_seeds_of_their_own():
    assert checked_seeds(4, 3) == (4, 5, 6)
    for seed, seeds in ((0, 0), (0, -1), (0, 1.5), (0, True), (-1, 1), ("a", 1)):
        with pytest.raises(InputError, match="seed"):
            checked_seeds(seed, seeds)


def test_baselines_are_known_and_named_once():
    assert checked_baselines(["log_mel", "untrained", "log_mel"]) == ("log_mel", "untrained")
    assert checked_baselines("untrained") == ("untrained",)
    assert checked_baselines(None) == checked_baselines([]) == ()
    with pytest.raises(InputError, match="no baseline 'chance'"):
        checked_baselines(["chance"])
