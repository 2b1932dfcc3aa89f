"""Oracle: the attributes of `musicssl.datasets.synthesis.bars`, which loops test; equal seeds."""

import numpy as np
import pytest
import torch

from musicssl.data.corpus import check_corpus
from musicssl.datasets.folk_composed import FolkComposed
from musicssl.datasets.synthesis.bars import attributes_of
from musicssl.errors import InputError
from musicssl.runs.checkpoint import load_method
from tests.support.training_command import run


def test_composed_tunes_have_sixteen_bars_each_and_exact_attributes():
    dataset = FolkComposed(num_tunes=40)
    corpus = check_corpus(dataset.load())
    assert corpus.token_rows.shape == (640, 24)
    counts = {split: int((corpus.split == split).sum()) // 16 for split in ("train", "val", "test")}
    assert counts == {"train": 34, "val": 4, "test": 2}
    pitches = dataset.pitches_of(corpus.token_rows)
    np.testing.assert_array_equal(corpus.y, attributes_of(pitches).astype(np.float32))
    assert (corpus.y.std(axis=0) > 0.05).all()  # there is something to learn


def test_a_seed_composes_the_same_tunes_and_another_one_others():
    tokens = [FolkComposed(num_tunes=20, seed=seed).load().token_rows for seed in (0, 0, 1)]
    np.testing.assert_array_equal(tokens[0], tokens[1])
    assert (tokens[0] != tokens[2]).any()


def test_too_few_tunes_are_refused():
    with pytest.raises(InputError, match="num_tunes must be 20 or more"):
        FolkComposed(num_tunes=19)


@pytest.mark.slow
def test_ar_vae_learns_a_dimension_for_each_attribute(tmp_path):
    small = ("dataset=folk_composed", "dataset.num_tunes=20", "autoencoder.latent_dim=5")
    subject, _ = load_method(run(tmp_path, "method=ar_vae", *small).best)
    assert list(subject.attribute_dimensions) == [0, 1, 2, 3]
    decoded = subject.decode_latents(torch.zeros(2, 5))
    assert decoded.shape == (2, 24)
    assert subject.decoder.ticks_per_beat == 6
