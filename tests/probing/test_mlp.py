"""Oracles: a plain training loop of torch's layers, one network at a time; and exclusive or."""

import copy
import math
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from sklearn.preprocessing import StandardScaler
from torch import nn

from musicssl.errors import InputError
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION, TASKS
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import linear_judge
from musicssl.probing.mlp import MLP
from musicssl.probing.solvers.labels import prior_scores
from tests.support.quick import slow_after

C, D, H, N = 3, 6, 16, 60
CONF = Path(__file__).parents[2] / "conf" / "probe" / "mlp.yaml"
SMALL = {"hidden": H, "rates": [1e-2], "weight_decays": [1e-2], "epochs": 12, "batch_size": 16}


def clips(task, num_clips=N, seed=0, observed=0.7):
    direction = torch.randn(C, D, generator=torch.Generator().manual_seed(9))
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(num_clips, D, generator=generator)
    values = (h @ direction.T).abs() + torch.randn(num_clips, C, generator=generator)
    mask = torch.rand(num_clips, C, generator=generator) < observed
    y = (values > 1.5).float()
    if task is MULTI_CLASS:
        y = torch.nn.functional.one_hot(values.argmax(1), C).float()
        mask = mask[:, :1].expand(-1, C)
    if task is REGRESSION:
        y = 5 + values * torch.tensor([1.0, 100.0, 0.01])
    return Embeddings(2 + h * torch.linspace(0.5, 2, D), y.where(mask, math.nan), mask)


def fit(task, train=None, val=None, rows=None, **changes):
    train = clips(task) if train is None else train
    val = clips(task, seed=1) if val is None else val
    rows = torch.arange(len(train.h)) if rows is None else rows
    return MLP(**(SMALL | changes)).fit(train, [rows], val, task)[0]


def natural_loss(outputs, y, mask, task):
    if not mask.any():
        return 0 * outputs.sum()
    if task is MULTI_CLASS:
        known = mask.all(1)
        return nn.functional.cross_entropy(outputs[known], y[known].argmax(1))
    if task is REGRESSION:
        return nn.functional.mse_loss(outputs[mask], y[mask])
    return nn.functional.binary_cross_entropy_with_logits(outputs[mask], y[mask])


def first_network(train, task, generator):
    """As torch's layers are at first; the outer one answers what most clips are."""
    network = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, C))
    answer = prior_scores(train.y, train.mask, task)
    bias = {"multi_label": answer.logit(), "multi_class": answer.log()}
    with torch.no_grad():
        draws = torch.rand(D, H, generator=generator), torch.rand(H, generator=generator)
        network[0].weight.copy_(((2 * draws[0] - 1) / math.sqrt(D)).T)
        network[0].bias.copy_((2 * draws[1] - 1) / math.sqrt(D))
        network[2].weight.zero_()
        network[2].bias.copy_(bias.get(task.name, torch.zeros(C)))
    return network


def plain_loop(train, val, task, settings, dropout):
    """Train one network; return the one that validated best, its loss and its epoch."""
    generator = torch.Generator().manual_seed(0)
    network = first_network(train, task, generator)
    decay = {"weight_decay": settings["weight_decays"][0]}
    weights, biases = ([getattr(network[i], part) for i in (0, 2)] for part in ("weight", "bias"))
    groups = [{"params": weights, **decay}, {"params": biases}]
    optimiser = torch.optim.Adam(groups, lr=settings["rates"][0], fused=False)
    steps = math.ceil(len(train.h) / settings["batch_size"])
    best = copy.deepcopy(network), math.inf, 0
    for epoch in range(settings["epochs"] + 1):
        for _ in range(math.ceil(5 / steps) if epoch else 0):
            for rows in torch.randperm(len(train.h), generator=generator).tensor_split(steps):
                hidden = network[:2](train.h[rows])
                if dropout:
                    drawn = torch.rand(len(rows), H, generator=generator)
                    hidden = torch.where(drawn < dropout, 0, hidden / (1 - dropout))
                optimiser.zero_grad()
                loss = natural_loss(network[2](hidden), train.y[rows], train.mask[rows], task)
                loss.backward()
                optimiser.step()
        with torch.no_grad():
            loss = natural_loss(network(val.h), val.y, val.mask, task).item()
        if loss < best[1]:
            best = copy.deepcopy(network), loss, epoch
        elif epoch - best[2] == settings["patience"]:
            break
    return best


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_network_is_trained_as_a_plain_loop_trains_it(task, dropout):
    train, val, test = (clips(task, seed=seed) for seed in range(3))
    settings = SMALL | {"patience": 3}
    probe = fit(task, train, val, patience=3, dropout=dropout)
    features = StandardScaler().fit(train.h.double().numpy())
    # Only labelled clips are trained on, but all of the subset are standardised by.
    labelled = (train.mask.all(1) if task is MULTI_CLASS else train.mask.any(1)).nonzero()[:, 0]
    mean, spread = torch.zeros(C), torch.ones(C)
    if task is REGRESSION:
        targets = StandardScaler().fit(train.y.double().numpy())
        mean, spread = torch.from_numpy(targets.mean_), torch.from_numpy(targets.scale_)

    def scaled(these):
        h = torch.from_numpy(features.transform(these.h.double().numpy())).float()
        return Embeddings(h, ((these.y - mean) / spread).float(), these.mask)

    best = plain_loop(scaled(train).select(labelled), scaled(val), task, settings, dropout)
    assert probe.chosen["epochs"] == best[2] > 0
    assert probe.val_loss == pytest.approx(best[1], rel=1e-4)
    with torch.no_grad():
        expected = task.scores((best[0](scaled(test).h) * spread + mean).float())
    torch.testing.assert_close(probe.judge(test.h), expected, rtol=1e-4, atol=1e-5)


def exclusive_or(num_clips, seed):
    h = torch.randn(num_clips, 4, generator=torch.Generator().manual_seed(seed))
    y = ((h[:, :1] > 0) != (h[:, 1:2] > 0)).float()
    return Embeddings(h, y, torch.ones_like(y, dtype=torch.bool))


def test_exclusive_or_is_learnt_which_no_linear_probe_can():
    train, val, test = (exclusive_or(300, seed) for seed in range(3))
    judges = linear_judge(train, val, MULTI_LABEL), fit(MULTI_LABEL, train, val, epochs=25).judge
    linear, mlp = (
        MULTI_LABEL.metrics(judge(test.h), test.y, test.mask).macro["auroc"] for judge in judges
    )
    assert linear < 0.6
    assert mlp > 0.95


@pytest.mark.parametrize("task", slow_after(1, TASKS), ids=lambda task: task.name)
def test_of_many_settings_and_subsets_at_once_each_does_as_it_does_alone(task):
    train, val, test = clips(task, observed=1), clips(task, seed=1), clips(task, seed=2)
    subsets = [torch.arange(24), torch.arange(9), torch.arange(30, 54)]
    grid = {"rates": [1e-3, 1e-2], "weight_decays": [0.0, 0.1], "patience": 1, "dropout": 0.2}
    probes = MLP(**(SMALL | grid)).fit(train, subsets, val, task)
    for rows, probe in zip(subsets, probes, strict=True):
        alone = [
            fit(task, train, val, rows, **(grid | {"rates": [rate], "weight_decays": [decay]}))
            for rate in grid["rates"]
            for decay in grid["weight_decays"]
        ]
        best = min(alone, key=lambda one: one.val_loss)
        assert probe.chosen == best.chosen
        assert probe.val_loss == pytest.approx(best.val_loss, rel=1e-4)
        torch.testing.assert_close(probe.judge(test.h), best.judge(test.h), rtol=1e-3, atol=1e-4)


def test_the_seed_decides_and_the_callers_random_numbers_stay():
    test = clips(MULTI_LABEL, seed=2)
    before = torch.get_rng_state()
    with torch.no_grad():  # of the caller, who trains nothing
        first, again, other = (
            fit(MULTI_LABEL, dropout=0.5, seed=seed).judge(test.h) for seed in (0, 0, 1)
        )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert not first.requires_grad


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_unobserved_targets_change_nothing(task):
    train, val, test = (clips(task, seed=seed) for seed in range(3))
    assert train.y.isnan().any()
    filled = train._replace(y=train.y.nan_to_num(0.3)), val._replace(y=val.y.nan_to_num(0.9))
    assert torch.equal(fit(task, train, val).judge(test.h), fit(task, *filled).judge(test.h))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_where_nothing_validates_better_all_clips_get_the_same_answer(task):
    """Validation clips are what training clips are not, so that whatever is learnt is wrong."""
    train = clips(task, observed=1)
    opposite = {"multi_label": 1 - train.y, "multi_class": train.y.roll(1, dims=1)}
    y = opposite.get(task.name, 2 * train.y.mean(0) - train.y)
    probe = fit(task, train, train._replace(y=y), rates=[1e-3])
    assert probe.chosen["epochs"] == 0
    expected = prior_scores(train.y, train.mask, task)
    torch.testing.assert_close(probe.judge(train.h), expected.expand(N, -1))


def test_the_unit_of_a_target_does_not_count():
    train, val, test = (clips(REGRESSION, seed=seed) for seed in range(3))

    def other(these):
        return these._replace(y=1000 * these.y - 7)

    found = fit(REGRESSION, train, val).judge(test.h)
    scaled = fit(REGRESSION, other(train), other(val)).judge(test.h)
    torch.testing.assert_close((scaled + 7) / 1000, found, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("count", [1, N])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_single_clip_and_collapsed_embeddings_harm_nothing(task, count):
    train = clips(task, observed=1)
    alike = train._replace(h=torch.full_like(train.h, 0.1))
    probe = fit(task, alike, rows=torch.arange(count))
    assert probe.judge(train.h).isfinite().all()
    same = probe.judge(alike.h)
    torch.testing.assert_close(same, same[:1].expand(N, -1))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"hidden": 0}, r"probe\.hidden must be a whole number from 1 up, got 0"),
        ({"epochs": 0}, r"probe\.epochs must"),
        ({"patience": 2.5}, r"probe\.patience must be .* got 2\.5"),
        ({"batch_size": -1}, r"probe\.batch_size must"),
        ({"rates": []}, r"probe\.rates must be above 0, got \[\]"),
        ({"rates": [1e-3, 0]}, r"probe\.rates must be above 0"),
        ({"weight_decays": []}, r"probe\.weight_decays must be 0 or more"),
        ({"weight_decays": [-0.1]}, r"probe\.weight_decays must be 0 or more"),
        ({"dropout": 1.0}, r"probe\.dropout must be in \[0, 1\), got 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(InputError, match=message):
        MLP(**setting)


def test_clips_without_labels_are_refused():
    train = clips(MULTI_LABEL)
    with pytest.raises(InputError, match="no training clip has a label"):
        fit(MULTI_LABEL, train._replace(mask=torch.zeros_like(train.mask)))


def test_the_configuration_has_the_defaults():
    whole = OmegaConf.create({"seed": 0, "probe": OmegaConf.load(CONF)})
    probe, default = instantiate(whole.probe), MLP()
    for name, value in vars(default).items():
        found = getattr(probe, name)
        assert (tuple(found) if isinstance(value, tuple) else found) == value
