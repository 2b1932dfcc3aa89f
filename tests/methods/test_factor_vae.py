"""Oracles: two losses, each with a backward pass of its own; the betas that are published."""

from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from musicssl.errors import InputError
from musicssl.methods.factor_vae import FactorVAE
from musicssl.methods.generative.autoencoders import CnnPair
from tests.support.latents import melodies, seeded, token_parts
from tests.support.training import quiet_trainer

PARTS = {"beta": 1.0, "capacity": 50.0, "gamma": 10.0, "discriminator": [16, 16]}


def fitted(folder, subject, clips, **settings):
    trainer = quiet_trainer(folder, num_sanity_val_steps=0, **settings)
    trainer.fit(subject, clips)
    return trainer


def gradients(module):
    return [None if p.grad is None else p.grad.clone() for p in module.parameters()]


def test_each_part_has_the_gradient_of_its_own_loss(tmp_path):
    pair = CnnPair(latent_dim=6, channels=(8, 8, 8, 16), dropout=0.0)
    subject, clips = seeded(FactorVAE, **token_parts(**PARTS, autoencoder=pair)), melodies()
    fitted(tmp_path, subject, clips)
    subject.record = lambda **terms: None
    batch = next(iter(clips.train_dataloader()))
    torch.manual_seed(1)
    subject.zero_grad()
    subject.training_step(batch, 0).backward()
    found = {name: gradients(getattr(subject, name)) for name in ("encoder", "decoder")}
    of_discriminator = gradients(subject.discriminator)

    torch.manual_seed(1)
    subject.zero_grad()
    q = subject.encoder.posterior(batch.x[:16])
    z = q.sample(torch.randn(16, 6))
    logits = subject.discriminator(z)
    variance = q.log_variance.exp()
    kl = 0.5 * (q.mean**2 + variance - 1 - q.log_variance).sum(dim=1).mean()
    tokens = cross_entropy(subject.decoder.logits(z).flatten(0, 1), batch.x[:16].flatten())
    (tokens + (kl - 50).abs() + 10 * (logits[:, 0] - logits[:, 1]).mean()).backward()
    for name, expected in found.items():
        for mine, own in zip(expected, gradients(getattr(subject, name)), strict=True):
            torch.testing.assert_close(mine, own, rtol=1e-4, atol=1e-6)

    subject.zero_grad()
    with torch.no_grad():
        second = subject.encoder.posterior(batch.x[16:]).sample(torch.randn(16, 6))
    order = torch.rand(16, 6).argsort(dim=0)
    permuted = torch.stack([second[order[:, d], d] for d in range(6)], dim=1)
    real, wrong = subject.discriminator(z.detach()), subject.discriminator(permuted)
    zeros, ones = torch.zeros(16).long(), torch.ones(16).long()
    (0.5 * (cross_entropy(real, zeros) + cross_entropy(wrong, ones))).backward()
    for mine, own in zip(of_discriminator, gradients(subject.discriminator), strict=True):
        torch.testing.assert_close(mine, own, rtol=1e-4, atol=1e-6)


def test_the_discriminator_has_betas_of_its_own(tmp_path):
    subject = seeded(FactorVAE, **token_parts(**PARTS))
    trainer = fitted(tmp_path, subject, melodies())
    first, second = trainer.optimizers[0].param_groups
    own = {id(p) for p in subject.discriminator.parameters()}
    assert {id(p) for p in second["params"]} == own
    assert not {id(p) for p in first["params"]} & own
    assert (first["betas"], second["betas"]) == ((0.9, 0.999), (0.8, 0.9))
    assert second["lr"] == first["lr"] == 1e-2


def test_a_discriminator_at_chance_adds_nothing(tmp_path):
    subject, clips = seeded(FactorVAE, **token_parts(**PARTS)), melodies()
    fitted(tmp_path, subject, clips)
    with torch.no_grad():
        subject.discriminator[-1].weight.zero_()
        subject.discriminator[-1].bias.fill_(0.3)
    recorded = {}
    subject.record = recorded.update
    subject.training_step(next(iter(clips.train_dataloader())), 0)
    assert recorded["total_correlation"] == 0
    assert recorded["discriminator"].item() == pytest.approx(0.6931472)


def test_settings_that_cannot_be_are_refused(tmp_path):
    sgd = partial(torch.optim.SGD, lr=1e-2)
    with pytest.raises(InputError, match="choose optimizer=adam or optimizer=adamw"):
        fitted(tmp_path, seeded(FactorVAE, **token_parts(**PARTS, optimizer=sgd)), melodies())
    with pytest.raises(InputError, match=r"set data\.batch_size to 2 or more"):
        fitted(tmp_path, seeded(FactorVAE, **token_parts(**PARTS)), melodies(batch_size=1))
    with pytest.raises(InputError, match=r"method\.discriminator must be a list"):
        FactorVAE(**token_parts(**(PARTS | {"discriminator": []})))
