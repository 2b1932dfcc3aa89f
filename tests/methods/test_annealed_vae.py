"""Oracle: the formula, with the KL divergence that the method logs."""

import pytest
import torch

from musicssl.errors import InputError
from musicssl.methods.annealed_vae import AnnealedVAE
from musicssl.methods.generative.warmup import Warmup
from tests.support.latents import NO_WARMUP, melodies, seeded, token_parts
from tests.support.training import quiet_trainer


def fitted(folder, subject, clips, **settings):
    trainer = quiet_trainer(folder, num_sanity_val_steps=0, **settings)
    trainer.fit(subject, clips)
    return trainer


@pytest.mark.parametrize("capacity", [0.0, 75.0])
def test_the_loss_is_the_weighted_distance_from_the_capacity(tmp_path, capacity):
    settings = {"beta": 2.0, "capacity": capacity, "warmup": NO_WARMUP}
    subject, clips = seeded(AnnealedVAE, **token_parts(**settings)), melodies()
    fitted(tmp_path, subject, clips)
    recorded = {}
    subject.record = recorded.update
    loss = subject.training_step(next(iter(clips.train_dataloader())), 0)
    expected = recorded["reconstruction"] + 2 * (recorded["kl"] - capacity).abs()
    torch.testing.assert_close(loss, expected)


def test_there_is_no_regulariser_in_the_warmup_and_then_the_capacity_rises_from_0():
    warmup = Warmup(epochs=2.0, ramp=4.0)
    subject = seeded(AnnealedVAE, **token_parts(beta=1.0, capacity=15.0, warmup=warmup))
    subject._trainer = quiet_trainer(None)
    subject.trainer.fit_loop.max_batches = 10
    kl = torch.tensor(7.0)
    losses = {}
    for epoch in (0.0, 1.9, 2.0, 4.0, 6.0, 9.0):
        losses[epoch] = subject.regularised(kl, None, None, epoch).loss.item()
    # 16^x - 1 at x = 0, 1/2 and 1 is 0, 3 and 15
    assert losses == pytest.approx({0.0: 0, 1.9: 0, 2.0: 7, 4.0: 4, 6.0: 8, 9.0: 8})


@pytest.mark.slow
def test_training_brings_the_divergence_to_the_capacity(tmp_path):
    settings = {"beta": 1.0, "capacity": 5.0, "warmup": NO_WARMUP}
    subject = seeded(AnnealedVAE, **token_parts(**settings))
    metrics = fitted(tmp_path, subject, melodies(), max_epochs=30).callback_metrics
    assert metrics["train/kl"] == pytest.approx(5.0, abs=1.0)


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"method\.capacity must be 0 or more"):
        AnnealedVAE(**token_parts(beta=1.0, capacity=-1.0, warmup=NO_WARMUP))
