"""Oracle: the authors' loader, which shuffles all melodies and cuts them, written as it is."""

import numpy as np
import pytest

from musicssl.data.checks import check_corpus
from musicssl.data.melodies import Melodies
from musicssl.datasets.dmelodies import DMelodies
from musicssl.datasets.synthesis.melodies import COUNT, SLUR, factors_in, factors_of
from musicssl.errors import InputError


def numbers(corpus, split):
    return [int(name.partition("-")[2]) for name in corpus.clip_ids[corpus.split == split]]


@pytest.mark.slow
def test_a_share_has_the_first_melodies_of_each_split():
    corpus = check_corpus(DMelodies(share=0.001).load())
    everything = np.arange(COUNT)[:, None].repeat(2, axis=1)  # a table, as the authors shuffle it
    state = np.random.RandomState(0)
    state.shuffle(everything)
    order = everything[:, 0]
    ends = [0, int(0.7 * COUNT), int((0.7 + 0.2) * COUNT), COUNT]
    for split, start, end in zip(("train", "val", "test"), ends, ends[1:], strict=False):
        kept = order[start : start + round(0.001 * (end - start))]
        assert numbers(corpus, split) == sorted(kept.tolist())


def test_a_smaller_share_is_part_of_a_larger_one():
    small, large = (check_corpus(DMelodies(share=share).load()) for share in (5e-4, 1e-3))
    for split, count in (("train", 948), ("val", 271), ("test", 135)):
        both = numbers(small, split), numbers(large, split)
        assert set(both[0]) < set(both[1])
        assert len(both[1]) == count


def test_targets_are_the_factors_of_the_tokens():
    corpus = DMelodies(share=0.001).load()
    assert (corpus.task, corpus.is_tokens, corpus.num_features) == ("regression", True, None)
    assert corpus.mask.all()
    np.testing.assert_array_equal(factors_in(corpus.token_rows), corpus.y)
    named = np.array([int(name[-7:]) for name in corpus.clip_ids])
    np.testing.assert_array_equal(factors_of(named), corpus.y)


@pytest.mark.slow
def test_all_melodies_are_divided_as_published():
    corpus = DMelodies(share=1).load()
    counts = {split: int((corpus.split == split).sum()) for split in ("train", "val", "test")}
    assert counts == {"train": 948_326, "val": 270_950, "test": 135_476}
    assert len(np.unique(corpus.clip_ids)) == COUNT


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "must be above 0 and at most 1, got 0"),
        (1.5, "got 1.5"),
        ("all", "got all"),
        (1e-6, "leaves no melody in the val split"),
    ],
)
def test_shares_that_cannot_be_are_refused(share, words):
    with pytest.raises(InputError, match=words):
        DMelodies(share=share).load()


def test_attributes_of_other_melodies_are_missing():
    dataset = DMelodies(share=0.001)
    assert isinstance(dataset, Melodies)
    corpus = dataset.load()
    tokens = corpus.token_rows[:2].copy()
    tokens[1] = SLUR
    found = dataset.attributes_of(tokens)
    np.testing.assert_array_equal(found[0], corpus.y[0])
    assert np.isnan(found[1]).all()


def test_there_is_no_recording():
    with pytest.raises(InputError, match="have no recordings"):
        DMelodies().audio("dmelodies-0000000")
