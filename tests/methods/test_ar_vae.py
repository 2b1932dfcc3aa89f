"""Oracles: a plain autoencoder at gamma 0, ranks of attributes, the loss of a batch by formula."""

import pytest
import torch
from scipy.stats import spearmanr

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.losses.latent_regularisers import attribute_order
from musicssl.methods.ar_vae import AttributeRegularisedVAE
from musicssl.methods.base.latent import LatentSpace
from musicssl.methods.beta_vae import BetaVAE
from musicssl.runs.checkpoint import load_method
from tests.support.kinds import Values
from tests.support.latents import (
    NO_WARMUP,
    equal_states,
    feature_parts,
    melodies,
    seeded,
    token_parts,
)
from tests.support.training import quiet_trainer
from tests.support.training_command import run

MUSIC = {"beta": 0.001, "capacity": 0.0, "gamma": 1.0, "delta": 10.0}


def fitted(folder, subject, clips, **settings):
    trainer = quiet_trainer(folder, num_sanity_val_steps=0, **settings)
    trainer.fit(subject, clips)
    return trainer


def test_without_gamma_it_is_the_plain_autoencoder_to_the_bit(tmp_path):
    without = {"beta": 1.0, "capacity": 0.0, "gamma": 0.0, "delta": 10.0}
    plain = {"beta": 1.0, "free_nats": 0.0, "warmup": NO_WARMUP}
    subject = seeded(AttributeRegularisedVAE, **token_parts(**without))
    other = seeded(BetaVAE, **token_parts(**plain))
    for one in (subject, other):
        torch.manual_seed(1)
        fitted(tmp_path, one, melodies(b_s=None), max_epochs=2)
    assert equal_states(subject.encoder, other.encoder)
    assert equal_states(subject.decoder, other.decoder)


def test_the_loss_has_a_term_for_each_attribute(tmp_path):
    subject, clips = seeded(AttributeRegularisedVAE, **token_parts(**MUSIC)), melodies(b_s=None)
    fitted(tmp_path, subject, clips)
    recorded = {}
    subject.record = recorded.update
    batch = next(iter(clips.train_dataloader()))
    z = torch.randn(32, 10)
    kl = torch.tensor(3.0)
    found = subject.regularised(kl, z, batch, 0.0)
    order = attribute_order(z[:, :9], batch.y, batch.mask, 10.0).sum()
    torch.testing.assert_close(found.loss, 0.003 + order)
    torch.testing.assert_close(found.notes["attribute_order"], order)


def test_clips_without_labels_do_not_count_in_the_order(tmp_path):
    subject, clips = seeded(AttributeRegularisedVAE, **token_parts(**MUSIC)), melodies(b_s=None)
    fitted(tmp_path, subject, clips)
    batch = next(iter(clips.train_dataloader()))
    z = torch.randn(32, 10)
    hidden = batch._replace(mask=batch.mask.clone(), y=batch.y.clone())
    hidden.mask[10:] = False
    hidden.y[10:] = torch.nan
    of_some = subject.regularised(torch.tensor(0.0), z, hidden, 0.0).loss
    alone = subject.regularised(torch.tensor(0.0), z[:10], batch.select(torch.arange(10)), 0.0).loss
    torch.testing.assert_close(of_some, alone)
    hidden.mask[:] = False
    assert subject.regularised(torch.tensor(0.0), z, hidden, 0.0).loss == 0


def test_named_attributes_are_ordered_along_their_dimensions(tmp_path):
    clips = SemiSupervisedDataModule(Values(), batch_size=28, b_s=None, p_s=0.5)
    names = [clips.corpus.classes[2], clips.corpus.classes[0]]
    parts = feature_parts(**MUSIC, attributes=names, task="regression")
    subject = seeded(AttributeRegularisedVAE, **parts)
    fitted(tmp_path, subject, clips, max_epochs=30, check_val_every_n_epoch=30)
    assert isinstance(subject, LatentSpace)
    assert list(subject.attribute_dimensions) == [1, None, 0]
    test = clips.clips("test")
    z = subject.latent_means(test)
    for dimension, column in ((0, 2), (1, 0)):
        seen = test.mask[:, column]
        order = spearmanr(z[seen, dimension], test.y[seen, column]).statistic
        assert order > 0.8


@pytest.mark.slow
def test_a_checkpoint_knows_its_dimensions(tmp_path):
    small = ("dataset=dmelodies", "dataset.share=1e-4", "autoencoder.latent_dim=4")
    names = "method.attributes=[scale,octave]"
    folder = run(tmp_path, "method=ar_vae", *small, names)
    subject, _ = load_method(folder.best)
    assert list(subject.attribute_dimensions) == [None, 1, 0, *[None] * 6]


def test_attributes_that_do_not_exist_or_have_no_dimension_are_refused(tmp_path):
    with pytest.raises(InputError, match="dimension for each of 9 attributes, and there are 4"):
        AttributeRegularisedVAE(**feature_parts(**MUSIC, num_classes=9))
    for names in (["key"], ["scale", "scale"]):
        subject = AttributeRegularisedVAE(**token_parts(**MUSIC, attributes=names))
        with pytest.raises(InputError, match="must name different ones of tonic, octave"):
            fitted(tmp_path, subject, melodies(b_s=None))
