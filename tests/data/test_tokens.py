"""Rows of tokens as the input of a corpus: oracles are the arrays that they come from."""

import dataclasses

import numpy as np
import pytest
import torch

from musicssl.data.checks import check_corpus
from musicssl.data.clips import clips_of
from musicssl.data.corpus import LoadedCorpus, embedded_corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling
from tests.support.latents import MELODIES, melodies
from tests.support.tiny import Tiny

TOKENS = Needs(labels=False, tokens=True)


@pytest.fixture(scope="module")
def corpus():
    return MELODIES.load()


def test_batches_hold_the_tokens_of_their_rows_as_integers(corpus):
    clips = melodies(needs=TOKENS)
    batch = next(iter(clips.train_dataloader()))
    assert (batch.x.dtype, batch.is_tokens) == (torch.int64, True)
    np.testing.assert_array_equal(batch.x, corpus.token_rows[batch.rows])
    whole = clips.clips("test")
    np.testing.assert_array_equal(whole.x, corpus.token_rows[corpus.split == "test"])
    np.testing.assert_array_equal(whole.y, corpus.y[corpus.split == "test"])
    sizes = {"num_features": 1, "num_instances": 16, "num_classes": 9, "num_tokens": 52}
    assert clips.sizes == sizes | {"task": "regression"}


def test_instances_are_no_tokens():
    clips = SemiSupervisedDataModule(Tiny())
    assert not next(iter(clips.train_dataloader())).is_tokens
    assert "num_tokens" not in clips.sizes
    with pytest.raises(TypeError, match="are no tokens"):
        _ = clips.corpus.token_rows


def test_methods_that_read_features_refuse_tokens():
    clips = melodies()
    clips.setup()
    with pytest.raises(InputError, match="dataset=dmelodies has tokens, where this method reads"):
        clips.serve(Needs(labels=False))


class OfInstances(torch.nn.Module):
    embed_dim = 3


def test_an_encoder_of_instances_refuses_tokens(corpus):
    network = Classifier(lambda **sizes: OfInstances(), MeanPooling, 1, 16, 9)
    with pytest.raises(InputError, match="the data are tokens, but the network reads"):
        network(melodies(needs=TOKENS).clips("val"))


@pytest.mark.parametrize("x", [[[0, 52]], [[-1, 0]], [[0.0, 1.0]]])
def test_tokens_that_the_corpus_does_not_name_are_refused(corpus, x):
    rows = np.array(x).repeat(8, axis=1).repeat(len(corpus.y), axis=0)
    with pytest.raises(InputError, match="must be whole numbers from 0 to 51"):
        check_corpus(dataclasses.replace(corpus, x=rows))


def test_rows_of_the_wrong_shape_are_refused(corpus):
    with pytest.raises(InputError, match="x has shape"):
        check_corpus(dataclasses.replace(corpus, x=corpus.token_rows[:5]))


def test_other_tokens_or_other_names_make_another_corpus(corpus):
    names = (*corpus.tokens[1::-1], *corpus.tokens[2:])
    renamed = dataclasses.replace(corpus, tokens=names)
    moved = dataclasses.replace(corpus, x=corpus.token_rows[:, ::-1])
    identities = [one.identity()["features"] for one in (corpus, renamed, moved)]
    assert len(set(identities)) == 3
    assert corpus.clip_identity()["x"] != moved.clip_identity()["x"]


def test_a_second_corpus_has_to_have_the_same_tokens(corpus):
    other = dataclasses.replace(corpus, tokens=(*corpus.tokens, "end"))
    clips = SemiSupervisedDataModule(MELODIES, b_s=0, unlabelled=LoadedCorpus(other))
    with pytest.raises(InputError, match="have different features"):
        clips.setup()


def test_embeddings_of_tokens_are_instances(corpus):
    h = np.zeros((len(corpus.y), 4), np.float32)
    assert check_corpus(embedded_corpus(corpus, h)).instances.shape == (len(h), 1, 4)


def test_rows_are_read_whole_as_often_as_there_are_positions(corpus):
    piece = clips_of(corpus, crop_seconds=1.0).crop(np.array([3, 1]), np.zeros((2, 2)))
    np.testing.assert_array_equal(piece.x, corpus.token_rows[[3, 3, 1, 1]])
