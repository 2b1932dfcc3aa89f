"""What a batch costs an M2 of each label, and that twenty models side by side are twenty models."""

import math
from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import linear, logsigmoid, one_hot, relu

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.losses.likelihoods import BoundedGaussian, FixedGaussian
from musicssl.methods.dgm import DeepGenerativeModel
from musicssl.methods.generative.training_clips import Answered
from tests.support.quick import slow_after
from tests.support.tiny import Tiny
from tests.support.training import dgm_parts, quiet_trainer

D = 16  # features of a clip of Tiny: mean and deviation of 8


def dgm(**changes):
    torch.manual_seed(0)
    method = DeepGenerativeModel(**dgm_parts(**changes))
    with torch.no_grad():  # logarithms of variances begin at 0, in all models alike
        if method.generator is not None:
            method.generator.encoder_z.last.weight.normal_(std=0.1)
    return method


def clips(num_models=3, num_labelled=6, num_unlabelled=5, num_values=2):
    torch.manual_seed(1)

    def some(count, known):
        y = torch.randint(num_values, (num_models, count))
        mask = torch.full((num_models, count), known)
        return Answered(torch.randn(num_models, count, D), y, mask)

    return some(num_labelled, True), some(num_unlabelled, False)


def total(method, terms, ratio=0.5):
    """Return the objective as `training_step` weighs it, of all models."""
    return (ratio * terms.labelled + terms.unlabelled + method.beta * terms.cross_entropy).sum()


def gradients(method):
    return {name: None if p.grad is None else p.grad.clone() for name, p in learnt(method)}


def learnt(method):
    return [(name, p) for name, p in method.named_parameters() if p.requires_grad]


@pytest.fixture
def still(monkeypatch):
    """Let z be its mean."""
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)


class Noise:
    """The noise of some of twenty models, whichever of them there are: the same for each."""

    def __init__(self, models):
        self.models = models
        self.calls = 0

    def __call__(self, mean):
        self.calls += 1
        shape = (20, *mean.shape[1:])
        drawn = torch.randn(shape, generator=torch.Generator().manual_seed(self.calls))
        return drawn[self.models]


def of_model(method, m):
    """Return the method of one label, with the weights of the m-th of several."""
    changes = {"likelihood": method.generator.likelihood, "dropout": 0.0, "beta": method.beta}
    single = dgm(num_classes=1, **changes)
    with torch.no_grad():
        for (_, ours), (_, theirs) in zip(learnt(single), learnt(method), strict=True):
            ours.copy_(theirs[m : m + 1])
    return single


@pytest.mark.parametrize("likelihood", slow_after(1, [BoundedGaussian(0.1), FixedGaussian()]))
@pytest.mark.parametrize("fused", slow_after(1, [False, True]))
def test_twenty_models_side_by_side_are_twenty_models(monkeypatch, likelihood, fused):
    """Loss terms and gradients, and the weights after several steps of Adam."""
    adam = partial(torch.optim.Adam, lr=1e-3, weight_decay=1e-2, fused=fused)
    together = dgm(num_classes=20, likelihood=likelihood, dropout=0.0)
    singles = [of_model(together, m) for m in range(20)]
    batches = [clips(20, 6, 5) for _ in range(3)]

    def train(method, models):
        monkeypatch.setattr(torch, "randn_like", Noise(models))
        optimizer, seen = adam([p for _, p in learnt(method)]), []
        for both in batches:
            labelled, unlabelled = (Answered(*(part[models] for part in some)) for some in both)
            optimizer.zero_grad()
            terms = method.terms(labelled, unlabelled)
            total(method, terms).backward()
            seen.append([*terms, *gradients(method).values()])
            optimizer.step()
        return seen

    of_all = train(together, slice(0, 20))
    for m, single in enumerate(singles):
        for ours, theirs in zip(of_all, train(single, slice(m, m + 1)), strict=True):
            for a, b in zip(ours, theirs, strict=True):
                torch.testing.assert_close(a[m : m + 1], b, rtol=1e-4, atol=1e-5)
        for (name, ours), (_, theirs) in zip(learnt(together), learnt(single), strict=True):
            torch.testing.assert_close(
                ours[m : m + 1], theirs, rtol=1e-4, atol=1e-5, msg=lambda s, n=name: f"{n}: {s}"
            )


def by_hand(layers, x):
    """Read a vector: (weight, bias) of each layer, a rectifier between them."""
    for i, (weight, bias) in enumerate(layers):
        x = linear(relu(x) if i else x, weight.T, bias)
    return x


def layers_of(network, m):
    """Return the layers of a `ConditionedMLP` as a model of it reads [vector, one-hot value]."""
    weights = network.state_dict()
    joined = torch.cat([weights["of_vector.weight"][m], weights["of_value"][m]])
    names = ["rest.layers.0", "last"]
    rest = [(weights[f"{name}.weight"][m], weights[f"{name}.bias"][m, 0]) for name in names]
    return [(joined, weights["of_vector.bias"][m, 0]), *rest]


def classifier_of(method, m):
    weights = method.classifier.state_dict()
    names = ["encoder.hidden.layers.0", "encoder.hidden.layers.1", "pooling.classifier"]
    return [(weights[f"{name}.weight"][m], weights[f"{name}.bias"][m, 0]) for name in names]


def bound_by_hand(method, m, x, y):
    """L(x, y) with z at its mean, one clip, by torch.distributions; p(y) = 1/2."""
    value = one_hot(torch.tensor(y), 2).float()
    mean, log_variance = by_hand(
        layers_of(method.generator.encoder_z, m), torch.cat([x, value])
    ).chunk(2)
    decoded = by_hand(layers_of(method.generator.decoder, m), torch.cat([mean, value]))
    kl = kl_divergence(
        Normal(mean, (0.5 * log_variance).exp()), Normal(torch.zeros(4), torch.ones(4))
    )
    return -Normal(decoded, 1.0).log_prob(x).sum() + kl.sum() + math.log(2)


def objective_by_hand(method, m, labelled, unlabelled, beta):
    """Full sums over D_l and D_u, clip by clip, divided by |D_u|."""
    alpha, total = beta * len(unlabelled) / len(labelled), torch.tensor(0.0)
    for x, y in labelled:
        logit = by_hand(classifier_of(method, m), x)[0]
        cross_entropy = -logsigmoid(logit if y else -logit)
        total += bound_by_hand(method, m, x, y) + alpha * cross_entropy
    for x in unlabelled:
        logit = by_hand(classifier_of(method, m), x)[0]
        for y, log_q in ((0, logsigmoid(-logit)), (1, logsigmoid(logit))):
            total += log_q.exp() * (bound_by_hand(method, m, x, y) + log_q)
    return total / len(unlabelled)


def summaries(x):
    """Mean and deviation of each clip's instances, standardised over the clips, by numpy."""
    parts = np.concatenate([x.mean(axis=1), x.std(axis=1)], axis=1)
    return torch.from_numpy((parts - parts.mean(axis=0)) / parts.std(axis=0))


def test_a_step_minimises_the_objective_of_the_papers(tmp_path, still):
    """One step over all clips, against a slow loop over the sums of both kinds of clips."""
    datamodule = SemiSupervisedDataModule(Tiny(), p_s=0.25, b_s=0.25, batch_size=84)
    method = dgm(dropout=0.0, optimizer=partial(torch.optim.SGD, lr=0.0))
    minimised = []

    class Listen(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, *_):
            minimised.append(outputs["loss"].item())

    trainer = quiet_trainer(tmp_path, limit_val_batches=0, callbacks=[Listen()])
    trainer.fit(method, datamodule)
    assert trainer.global_step == 1

    train = datamodule.rows("train")
    corpus = Tiny().load()
    x = summaries(corpus.x[train].astype(np.float64)).float()
    known = np.isin(train, datamodule.labelled())
    assert known.sum() == 21
    with torch.no_grad():
        losses = []
        for m in range(3):
            y = [bool(v) for v in corpus.y[train, m]]
            labelled = [(x[i], int(y[i])) for i in np.flatnonzero(known)]
            unlabelled = [x[i] for i in np.flatnonzero(~known)]
            losses.append(objective_by_hand(method, m, labelled, unlabelled, beta=8.0))
    logged = trainer.callback_metrics["train/loss"].item()
    assert logged == pytest.approx(float(sum(losses) / 3), rel=1e-4)
    # Each model learns at the rate of one by itself.
    assert minimised == pytest.approx([float(sum(losses))], rel=1e-4)


def test_terms_are_means_over_clips(still):
    method, (labelled, unlabelled) = dgm(dropout=0.0), clips()
    terms = method.terms(labelled, unlabelled)
    for m in range(3):
        bounds = [
            bound_by_hand(method, m, labelled.x[m, i], int(labelled.y[m, i])) for i in range(6)
        ]
        torch.testing.assert_close(terms.labelled[m], torch.stack(bounds).mean())
        logits = torch.cat([by_hand(classifier_of(method, m), x) for x in labelled.x[m]])
        signs = 2.0 * labelled.y[m] - 1
        torch.testing.assert_close(terms.cross_entropy[m], -logsigmoid(signs * logits).mean())


def test_the_generative_part_alone_teaches_q_of_y_nothing_without_unlabelled_clips():
    """The reason for the cross-entropy: L(x, y) does not mention q(y|x)."""
    method, (labelled, unlabelled) = dgm(beta=0.0), clips(num_unlabelled=0)
    total(method, method.terms(labelled, unlabelled)).backward()
    for name, grad in gradients(method).items():
        if name.startswith("classifier."):
            assert grad is None or grad.abs().sum() == 0, name
        else:
            assert grad.abs().sum() > 0, name


def test_unlabelled_clips_teach_q_of_y_by_the_bounds_as_weights(still):
    """By finite differences: an L that were cut off, or a q, would give another gradient."""
    method, (labelled, unlabelled) = dgm(dropout=0.0, beta=0.0), clips()
    method.terms(labelled, unlabelled).unlabelled.sum().backward()
    for part in (method.classifier, method.generator):
        for parameter in part.parameters():
            assert parameter.grad.abs().sum() > 0
    bias = method.classifier.pooling.classifier.bias  # (M, 1, 1)
    with torch.no_grad():
        for m in range(3):
            values = []
            for step in (1e-2, -1e-2):
                bias[m] += step
                values.append(method.terms(labelled, unlabelled).unlabelled[m])
                bias[m] -= step
            slope = (values[0] - values[1]) / 2e-2
            torch.testing.assert_close(bias.grad[m].squeeze(), slope, rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("generative", [True, False])
def test_clips_whose_label_was_not_observed_count_nothing(generative, still):
    """Whatever they hold, in values and in gradients."""
    method = dgm(dropout=0.0, generative=generative)
    labelled, unlabelled = clips()
    known = torch.ones(3, 6, dtype=torch.bool)
    known[:, 4:] = False

    def costs(x, y):
        method.zero_grad()
        terms = method.terms(Answered(x, y, known), unlabelled)
        (terms.labelled + 3 * terms.cross_entropy).sum().backward()
        return terms, gradients(method)

    terms, grads = costs(labelled.x, labelled.y)
    x, y = labelled.x.clone(), labelled.y.clone()
    x[:, 4:], y[:, 4:] = 50 * torch.randn(3, 2, D), 1 - y[:, 4:]
    others, others_grads = costs(x, y)
    for ours, theirs in zip(terms, others, strict=True):
        torch.testing.assert_close(ours, theirs)
    for name, grad in grads.items():
        if grad is not None:
            torch.testing.assert_close(grad, others_grads[name], rtol=1e-4, atol=1e-5)
    few = Answered(*(part[:, :4] for part in labelled))
    for ours, theirs in zip(terms, method.terms(few, unlabelled), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_label_without_a_labelled_clip_learns_from_unlabelled_ones_alone():
    method, (labelled, unlabelled) = dgm(), clips()
    labelled.known[1] = False
    terms = method.terms(labelled, unlabelled)
    assert terms.labelled[1] == terms.cross_entropy[1] == 0
    assert torch.isfinite(torch.stack(terms)).all()
    (terms.labelled + terms.cross_entropy).sum().backward()
    for name, grad in gradients(method).items():
        assert grad[1].abs().sum() == 0, name
        assert grad[0].abs().sum() > 0, name


def test_answers_of_a_clip_that_has_one_class_are_its_classes(still):
    """A single model, whose y has as many values as there are classes."""
    method = dgm(task="multi_class", num_classes=4, dropout=0.0)
    labelled, unlabelled = clips(1, num_values=4)
    terms = method.terms(labelled, unlabelled)
    logits = torch.stack([by_hand(classifier_of(method, 0), x) for x in labelled.x[0]])
    expected = torch.nn.functional.cross_entropy(logits, labelled.y[0])
    torch.testing.assert_close(terms.cross_entropy, expected[None])
    q = torch.stack([by_hand(classifier_of(method, 0), x) for x in unlabelled.x[0]]).softmax(dim=1)
    bounds = torch.stack(
        [method.generator.bound(unlabelled.x, torch.full((1, 5), y))[0] for y in range(4)], dim=1
    )
    entropy = -(q * q.log()).sum(dim=1)
    torch.testing.assert_close(terms.unlabelled[0], ((q * bounds).sum(dim=1) - entropy).mean())


def test_bounds_do_not_suffer_from_half_precision(monkeypatch):
    """Networks are rounded; what follows, probabilities and sums, is not."""
    method, (labelled, unlabelled) = dgm(dropout=0.0), clips()
    found = []
    for rounded in (False, True):
        monkeypatch.setattr(torch, "randn_like", Noise(slice(0, 3)))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=rounded):
            found.append(method.terms(labelled, unlabelled))
    for exact, of_half in zip(*found, strict=True):
        assert of_half.dtype == torch.float32
        torch.testing.assert_close(of_half, exact, rtol=0.01, atol=0.01)
