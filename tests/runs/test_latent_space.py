"""Walks through a latent space whose decoder is known."""

import numpy as np
import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.latents.interpolation import smoothness
from musicssl.methods.base.latent import LatentSpace
from musicssl.methods.m1 import M1
from musicssl.runs.latent_space import encode, walks
from tests.support.tiny import Tiny
from tests.support.training import m1_parts


class Ramp:
    """z of three dimensions; a melody of four ticks at pitch 60 + 2 z_1, silent if z_2 is high."""

    attribute_dimensions = (1, None, 0)

    def latent_means(self, batch):
        return batch.x[:, 0, :3]

    def decode_latents(self, z):
        pitch = (60 + 2 * z[:, 1:2]).round().expand(-1, 4)
        return torch.where(z[:, 2:] > 0.9, -1, pitch).long()


def attributes_of(pitches):
    """Return the pitch, nothing, and a step at 60; of silence nothing is known."""
    silent = (pitches < 0).any(axis=1)
    pitch = np.where(silent, np.nan, pitches[:, 0])
    return np.stack([pitch, np.full(len(pitch), np.nan), np.where(silent, np.nan, 1.0)], axis=1)


def test_walks_are_equally_spaced_and_start_from_the_clip_in_the_middle():
    z = np.random.default_rng(0).normal(size=(300, 3)) * [1, 4, 1]
    z[7] = z.mean(axis=0)
    first, second = walks(Ramp(), z, [1, None, 0], 9, attributes_of)
    assert (first.attribute, first.dimension, second.attribute, second.dimension) == (0, 1, 2, 0)
    mean, spread = z[:, 1].mean(), z[:, 1].std()
    np.testing.assert_allclose(first.places, np.linspace(mean - 2 * spread, mean + 2 * spread, 9))
    np.testing.assert_array_equal(first.decoded[:, 0], np.round(60 + 2 * first.places))
    np.testing.assert_array_equal(first.course, first.decoded[:, 0])
    assert first.monotonicity == 1
    step = first.places[1] - first.places[0]
    curves = np.stack([first.course, first.course])
    assert first.smoothness == pytest.approx(smoothness(curves, step)[0])
    assert (second.course == 1).all()  # z_0 changes nothing
    assert second.smoothness == 1
    assert np.isnan(second.monotonicity)
    assert 0.7 < second.known < 0.95  # the share of a normal variable below 0.9 is 0.82


def test_without_attributes_nothing_is_known():
    z = np.random.default_rng(0).normal(size=(20, 3))
    [walk] = walks(Ramp(), z, [None, 2], 5)
    assert walk.attribute == 1
    assert np.isnan(walk.course).all()
    assert np.isnan(walk.smoothness)
    assert walk.known == 0


def test_an_autoencoder_has_a_latent_space():
    """Oracles: its embeddings of clips, and its reconstruction of them in the units of features."""
    datamodule = SemiSupervisedDataModule(Tiny(), b_s=0.5)
    method = M1(**m1_parts()).eval()
    method.encoder.summary.fit(datamodule.batches("train"))
    assert isinstance(method, LatentSpace)
    assert tuple(method.attribute_dimensions) == ()
    clips = encode(method, datamodule, "test", 10_000)
    batch = datamodule.clips("test")
    expected = method.classifier.clip_embeddings(batch).detach()
    np.testing.assert_allclose(clips.z, expected, atol=1e-6)
    np.testing.assert_array_equal(clips.y, batch.y)
    decoded = method.decode_latents(expected)
    summary = method.encoder.summary
    torch.testing.assert_close(decoded, method.decoder(expected) * summary.scale + summary.shift)
    fewer = encode(method, datamodule, "test", 12)
    assert len(fewer.z) == 12
    assert fewer.total == 24
    assert np.isclose(fewer.z[:, None], clips.z[None], atol=1e-6).all(axis=2).any(axis=1).all()


def test_labels_that_training_hides_count():
    datamodule = SemiSupervisedDataModule(Tiny(), b_s=0.5, p_s=0.1)
    method = M1(**m1_parts()).eval()
    assert encode(method, datamodule, "train", 10_000).mask.all()
