"""Oracle: the bound of the paper from torch.distributions, in loops over clips and components."""

import math
from itertools import chain, islice, repeat

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from musicssl.methods.vade import VaDE
from tests.support.vade_training import data, method, recording, trained


def terms(subject, batch, seed=1):
    """Return reconstruction, costs and log gamma of the clips of a batch, with a seed's noise.

    Costs and gamma are those of section 3.2 of Jiang et al. 2017, by torch.distributions.
    """
    x = subject.encoder.summary.of(batch)
    q = subject.encoder.posterior(x)
    torch.manual_seed(seed)
    z = q.sample(torch.randn_like(q.mean))
    log_weights, means, log_variances = subject.mixture()
    components = Normal(means, (0.5 * log_variances).exp())  # (K, Z)
    posterior = Normal(q.mean[:, None], (0.5 * q.log_variance)[:, None].exp())  # (B, 1, Z)
    costs = kl_divergence(posterior, components).sum(dim=2) - log_weights  # (B, K)
    log_gamma = (log_weights + components.log_prob(z[:, None]).sum(dim=2)).log_softmax(dim=1)
    return subject.decoder.negative_log(z, x), costs, log_gamma


def kl_of(costs, log_gamma):
    """Return KL(q(z, c|x) || p(z, c)) of each clip, (B, K) -> (B,), by loops over components."""
    gamma, total = log_gamma.exp(), 0
    for c in range(costs.shape[-1]):
        total = total + gamma[..., c] * (costs[..., c] + log_gamma[..., c])
    return total


@pytest.mark.parametrize("b_s", [0, 0.5])
def test_the_loss_of_an_epoch_is_the_mean_of_the_losses_of_its_steps(tmp_path, monkeypatch, b_s):
    losses, step = [], VaDE.training_step

    def witness(subject, batch, batch_idx):
        loss = step(subject, batch, batch_idx)
        losses.append(loss.item())
        return loss

    monkeypatch.setattr(VaDE, "training_step", witness)
    trainer = trained(tmp_path, method(b_s), data(b_s=b_s, batch_size=8), max_epochs=3)
    steps = trainer.num_training_batches
    assert steps > 2
    expected = np.mean(losses[-steps:])
    assert trainer.callback_metrics["train/loss"].item() == pytest.approx(expected, rel=1e-5)


def test_without_labels_the_loss_is_the_mean_bound(tmp_path, monkeypatch):
    subject, clips = method(), data()
    trained(tmp_path, subject, clips)
    recorded = recording(subject, monkeypatch)
    batch = next(iter(clips.batches("train")))
    reconstruction, costs, log_gamma = terms(subject, batch)
    torch.manual_seed(1)
    loss = subject.training_step(batch, 0)
    kl = kl_of(costs, log_gamma)
    torch.testing.assert_close(loss, (reconstruction + kl).mean())
    expected = {"loss": loss, "reconstruction": reconstruction.mean(), "kl": kl.mean()}
    torch.testing.assert_close(recorded, expected)


@pytest.mark.parametrize("weight", [0.0, 3.0])
def test_with_labels_the_loss_weighs_clips_as_a_mean_over_all(tmp_path, monkeypatch, weight):
    """Of 84 clips 42 are labelled; 15 of these and 45 of all are in a batch."""
    subject = method(b_s=0.25, classification_weight=weight)
    clips = data(b_s=0.25, p_s=0.5, batch_size=60)
    trained(tmp_path, subject, clips)
    recorded = recording(subject, monkeypatch)
    batch = next(iter(clips.train_dataloader()))
    reconstruction, costs, log_gamma = terms(subject, batch)
    known = set(clips.labelled().tolist())
    labelled, others, answers = [], [], []
    for i, row in enumerate(batch.rows.tolist()):
        if i < 15:
            c = int(batch.y[i].argmax())
            labelled.append(reconstruction[i] + costs[i, c])
            answers.append(-log_gamma[i, c])
        elif row not in known:  # it counts among the labelled ones
            others.append(reconstruction[i] + kl_of(costs[i], log_gamma[i]))
    assert len(known) == 42
    assert 0 < len(others) < 45
    bound = 42 / 84 * sum(labelled) / 15 + sum(others) / 45
    cross_entropy = torch.stack(answers).mean()
    torch.manual_seed(1)
    loss = subject.training_step(batch, 0)
    torch.testing.assert_close(loss, bound + weight * cross_entropy)
    torch.testing.assert_close(recorded["cross_entropy"], cross_entropy)
    parts = recorded["reconstruction"] + recorded["kl"] + weight * cross_entropy
    torch.testing.assert_close(parts, loss)


def test_with_equal_components_the_loss_is_that_of_tan_2020(tmp_path, monkeypatch):
    """Both terms as in https://gudgud96.github.io/2020/05/13/semi-supervised-music/, by loops."""
    subject = method(b_s=0.5, equal_components=True)
    clips = data(b_s=0.5, p_s=0.5, batch_size=60)
    trained(tmp_path, subject, clips)
    recording(subject, monkeypatch)
    torch.testing.assert_close(subject.mixture().log_weights.exp(), torch.full((3,), 1 / 3))
    batch = next(iter(clips.train_dataloader()))
    q = subject.encoder.posterior(subject.encoder.summary.of(batch))
    torch.manual_seed(1)
    z = q.sample(torch.randn_like(q.mean))
    components = [
        Normal(mean, (0.5 * log_variance).exp())
        for mean, log_variance in zip(
            subject.mixture.means, subject.mixture.log_variances, strict=True
        )
    ]
    of_clips = []
    for i in range(len(batch.x)):
        posterior = Normal(q.mean[i], (0.5 * q.log_variance[i]).exp())
        kls = torch.stack([kl_divergence(posterior, p).sum() for p in components])
        answers = torch.stack([p.log_prob(z[i]).sum() for p in components]).softmax(dim=0)
        entropy = -(answers * answers.log()).nan_to_num().sum()
        labelled = bool(batch.mask[i].all())
        of_clips.append(kls[batch.y[i].argmax()] if labelled else (answers * kls).sum() - entropy)
    x = subject.encoder.summary.of(batch)
    per_clip = subject.decoder.negative_log(z, x) + torch.stack(of_clips)
    weights = subject._weights.of(batch)
    torch.manual_seed(1)
    loss = subject.training_step(batch, 0)
    torch.testing.assert_close(loss, (weights * (per_clip + math.log(3))).sum())


@pytest.mark.parametrize("pretraining", [True, False])
@pytest.mark.parametrize(
    ("b_s", "p_s"), [(0, 0.5), (0.25, 0.5), (0.5, 1.0), (1.0, 0.5), (None, 0.5)]
)
def test_the_losses_of_batches_average_to_the_mean_over_their_clips(
    tmp_path, monkeypatch, b_s, p_s, pretraining
):
    """With a posterior of next to no variance the loss does not depend on what is drawn."""
    settings = {"b_s": b_s, "p_s": p_s, "batch_size": 60}
    subject = method(b_s=b_s)
    trained(tmp_path, subject, data(**settings))
    recording(subject, monkeypatch, pretraining)
    with torch.no_grad():
        subject.encoder.layers[-1].weight[4:] = 0
        subject.encoder.layers[-1].bias[4:] = -30
    clips = data(**settings)
    clips.setup()
    loader = clips.train_dataloader()
    batches = islice(chain.from_iterable(repeat(loader)), 84)  # whole turns of all streams
    with torch.no_grad():
        mean = torch.stack([subject.training_step(batch, 0) for batch in batches]).mean()
        rows = clips.labelled() if b_s == 1 else clips.rows("train")
        costs = []
        for batch in clips.batches_of(rows):
            reconstruction, of_components, log_gamma = terms(subject, batch)
            kl = kl_of(of_components, log_gamma)
            if b_s != 0:
                of_class = (of_components * batch.y).sum(dim=1)
                kl = of_class.where(batch.mask.all(dim=1), kl)
            costs.append(reconstruction if pretraining else reconstruction + kl)
    torch.testing.assert_close(mean, torch.cat(costs).mean(), rtol=1e-4, atol=0)
