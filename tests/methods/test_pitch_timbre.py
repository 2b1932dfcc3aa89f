"""Oracles: torch.distributions, the loss of a batch by loops, notes of known pitch and timbre."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from musicssl.data.corpus import LoadedCorpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.methods.base.latent import LatentSpace
from musicssl.methods.pitch_timbre import PitchTimbre
from tests.support.composing import composed
from tests.support.kinds import OneClass
from tests.support.notes import BANDS, FRAMES, PITCHES, Notes, note_parts
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer


def data(corpus=None, **settings):
    return SemiSupervisedDataModule(
        corpus or Notes(), **({"batch_size": 28, "b_s": None} | settings)
    )


def subject(**changes):
    torch.manual_seed(0)
    return PitchTimbre(**note_parts(**changes))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    method, clips = subject(), data(p_s=0.3)
    trainer = quiet_trainer(tmp_path_factory.mktemp("run"), num_sanity_val_steps=0, max_epochs=2)
    trainer.fit(method, clips)
    return method.eval(), clips, trainer.callback_metrics


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A method that knows the instruments of a third of the notes."""
    method, clips = subject(optimizer=partial(torch.optim.Adam, lr=1e-2)), data(p_s=0.3)
    settings = {"num_sanity_val_steps": 0, "check_val_every_n_epoch": 60}
    trainer = quiet_trainer(tmp_path_factory.mktemp("run"), max_epochs=60, **settings)
    trainer.fit(method, clips)
    return method.eval(), clips, trainer.callback_metrics


@pytest.fixture
def step(trained):
    """A method whose next training step can be computed, and its batch."""
    method, clips, _ = trained
    return method, next(iter(clips.train_dataloader()))


def loss_of(method, batch, seed=0):
    torch.manual_seed(seed)
    return method.training_step(batch, 0)


def by_loops(method, batch, seed=0):
    """The loss of a batch, note by note, by distributions of torch."""
    x = method.encoder.inputs(batch)
    timbre, pitch = method.posteriors(x)
    torch.manual_seed(seed)
    z_t = timbre.mean + (0.5 * timbre.log_variance).exp() * torch.randn_like(timbre.mean)
    z_p = pitch.mean + (0.5 * pitch.log_variance).exp() * torch.randn_like(pitch.mean)
    decoded = method.decoder(torch.cat([z_t, z_p], dim=1))
    notes = Notes().load()
    of_all, of_labelled = [], []
    for i, row in enumerate(batch.rows.tolist()):
        total = ((decoded[i] - x[i]) ** 2).sum()
        components = [Normal(mean, torch.ones(4)) for mean in method.timbre_means]
        log_p = torch.stack([c.log_prob(z_t[i]).sum() for c in components])
        q = log_p.softmax(dim=0)
        of_note = Normal(timbre.mean[i], (0.5 * timbre.log_variance[i]).exp())
        for y, component in enumerate(components):
            total = total + q[y] * kl_divergence(of_note, component).sum()
            total = total + q[y] * (q[y] * 3).log()
        p = notes.pitches[row]
        prior = Normal(method.pitch_means[p], torch.full((4,), float(np.exp(-2))))
        of_pitch = Normal(pitch.mean[i], (0.5 * pitch.log_variance[i]).exp())
        total = total + kl_divergence(of_pitch, prior).sum()
        total = total - method.pitch_classifier(z_p[i]).log_softmax(dim=0)[p]
        of_all.append(total)
        if batch.mask[i].all():
            of_labelled.append(-q[batch.y[i].argmax()].log())
    return torch.stack(of_all).mean() + torch.stack(of_labelled).mean()


def test_the_loss_is_that_of_the_formula(step):
    method, batch = step
    assert 0 < batch.mask.all(dim=1).sum() < len(batch.x)
    torch.testing.assert_close(loss_of(method, batch), by_loops(method, batch))


def test_hidden_instruments_do_not_count(step):
    method, batch = step
    hidden = ~batch.mask.all(dim=1)
    other = batch._replace(y=batch.y.clone())
    other.y[hidden] = other.y[hidden].roll(1, dims=1)
    assert loss_of(method, other) == loss_of(method, batch)
    other.y[~hidden] = other.y[~hidden].roll(1, dims=1)
    assert loss_of(method, other) != loss_of(method, batch)
    none = batch._replace(mask=torch.zeros_like(batch.mask))
    recorded = {}
    method.record = recorded.update
    loss_of(method, none)
    del method.record
    assert recorded["cross_entropy"] == 0


@pytest.mark.slow
def test_instruments_and_pitches_of_notes_are_recognised(learned):
    _, _, metrics = learned
    assert metrics["val/accuracy"] > 0.9
    assert metrics["val/pitch_accuracy"] > 0.9


@pytest.mark.slow
def test_a_note_with_another_timbre_keeps_its_pitch(learned):
    """Which bands of a decoded note sound tells its pitch, and how long they do its instrument."""
    method, clips, _ = learned
    test = clips.clips("test")
    _, z_p = method.encode_notes(test)
    place = torch.tensor([PITCHES.index(p) for p in Notes().load().pitches[test.rows]])
    sounding = []
    for target in range(3):
        z_t = method.timbre_means[target].expand(len(z_p), -1)
        frames = method.decode_notes(z_t, z_p)
        assert frames.shape == (len(z_p), FRAMES, BANDS)
        played = frames[:, :2].mean(dim=1)  # the frames in which all instruments sound
        pairs = played[:, :4] + played[:, 4:]
        assert (pairs.argmax(dim=1) == place).float().mean() > 0.8
        sounding.append(frames.sum(dim=2).mean(dim=0))
    energies = torch.stack(sounding).sum(dim=1)
    assert energies[0] < energies[1] < energies[2]


def test_classes_are_the_responsibilities_of_the_components(trained):
    method, clips, _ = trained
    test = clips.clips("test")
    z_t, _ = method.encode_notes(test)
    log_p = torch.stack(
        [Normal(mean, 1.0).log_prob(z_t).sum(dim=1) for mean in method.timbre_means], dim=1
    )
    torch.testing.assert_close(method.scores(test), log_p.softmax(dim=1))


def test_spectrograms_are_scaled_by_the_extremes_of_the_training_notes(trained):
    method, clips, _ = trained
    corpus = clips.corpus
    x = corpus.x[corpus.split == "train", :FRAMES]
    scaled = method.encoder.inputs(clips.clips("train"))
    assert (scaled.min(), scaled.max()) == (-1, 1)
    expected = 2 * (x - x.min()) / (x.max() - x.min()) - 1
    np.testing.assert_allclose(scaled.mT, expected, atol=1e-6)
    back = method.encoder.spectrograms.unscaled(scaled)
    np.testing.assert_allclose(back, x, atol=1e-6)


def test_missing_frames_are_silence(trained):
    method, clips, _ = trained
    whole = clips.clips("test")
    short = whole._replace(lengths=torch.full((len(whole.x),), 5))
    cut = whole._replace(x=whole.x[:, :5])
    scaled = method.encoder.inputs(short)
    torch.testing.assert_close(scaled[:, :, :5], method.encoder.inputs(whole)[:, :, :5])
    assert (scaled[:, :, 5:] == -1).all()
    torch.testing.assert_close(method.encoder.inputs(cut), scaled)


def test_latent_variables_can_be_measured_and_decoded(trained):
    method, clips, _ = trained
    test = clips.clips("test")
    assert isinstance(method, LatentSpace)
    z = method.latent_means(test)
    assert z.shape == (len(test.x), 8)
    frames = method.decode_notes(z[:, :4], z[:, 4:])
    torch.testing.assert_close(method.decode_latents(z), frames.flatten(1))


def test_networks_have_the_published_sizes():
    """The layers of the authors' code, one by one, for 256 bands, 43 frames and 16 variables."""
    from hydra.utils import instantiate

    config = composed("method=pitch_timbre")
    sizes = {"num_features": 256, "num_instances": 43, "num_classes": 12, "task": "multi_class"}
    method = instantiate(config.method, **sizes)
    flat = 512 * 39
    norm = 2 * 512
    encoder = 512 * 256 * 3 + 512 + norm + 512 * 512 * 3 + 512 + norm
    encoder += flat * 512 + 512 + norm + 2 * (512 * 16 + 16)
    decoder = 32 * 512 + 512 + norm + 512 * flat + flat + 2 * flat
    decoder += 512 * 512 * 3 + 512 + norm + 512 * 256 * 3 + 256
    means = 12 * 16 + 128 * 16
    assert sum(p.numel() for p in method.parameters()) == (
        2 * encoder + decoder + means + 16 * 128 + 128
    )
    optimizer = config.optimizer
    assert (optimizer._target_, optimizer.lr, optimizer.weight_decay, optimizer.amsgrad) == (
        *("torch.optim.Adam", 1e-4, 0.0),
        True,
    )
    assert config.data.batch_size == 128


def test_what_has_no_pitch_or_several_instruments_is_refused(tmp_path):
    with pytest.raises(InputError, match="single notes, each of one instrument; choose dataset="):
        subject(task="multi_label")
    with pytest.raises(InputError, match=r"num_frames=8 must be from 5 to the 6 instances"):
        subject(num_instances=6)
    trainer = quiet_trainer(tmp_path)
    with pytest.raises(InputError, match="needs the pitch of every note, and notes has none"):
        trainer.fit(subject(), data(Notes(has_pitches=False)))
    corpus = Notes().load()
    pitched = LoadedCorpus(replace(corpus, classes=("60", "62", "64")))
    with pytest.raises(InputError, match=r"pitches, 60 to 64; set dataset\.target=family"):
        quiet_trainer(tmp_path).fit(subject(), data(pitched))
    second = data(unlabelled=OneClass(num_instances=FRAMES + 1), b_s=0.5)
    with pytest.raises(InputError, match="and one_class has none"):
        quiet_trainer(tmp_path).fit(subject(), second)
    assert Tiny().load().pitches is None
