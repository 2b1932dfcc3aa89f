"""Oracle: the attributes of `musicssl.datasets.synthesis.bars`, which loops test; equal seeds."""

import numpy as np
import pytest
import torch

from musicssl.data.checks import check_corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.datasets.folk_composed import FolkComposed
from musicssl.datasets.synthesis.bars import attributes_of
from musicssl.errors import InputError
from musicssl.losses.likelihoods import FixedGaussian
from musicssl.methods.ar_vae import AttributeRegularisedVAE
from musicssl.methods.generative.autoencoders import AutoPair
from tests.support.latents import token_parts
from tests.support.training import quiet_trainer


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


def test_ar_vae_learns_a_dimension_for_each_attribute(tmp_path):
    corpus = FolkComposed(num_tunes=20)
    clips = SemiSupervisedDataModule(corpus, batch_size=272, b_s=None)
    sizes = {"num_features": 1, "num_instances": 24, "num_tokens": 53, "num_classes": 4}
    parts = {"autoencoder": AutoPair(FixedGaussian(), latent_dim=5), "task": "regression"}
    weights = {"beta": 0.001, "capacity": 0.0, "gamma": 1.0, "delta": 10.0}
    subject = AttributeRegularisedVAE(**token_parts(**sizes, **parts, **weights))
    quiet_trainer(tmp_path, num_sanity_val_steps=0).fit(subject, clips)
    assert list(subject.attribute_dimensions) == [0, 1, 2, 3]
    assert subject.decoder.ticks_per_beat == 6
    decoded = subject.decode_latents(torch.zeros(2, 5))
    assert corpus.attributes_of(decoded.numpy()).shape == (2, 4)
