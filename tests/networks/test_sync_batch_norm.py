import copy
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from musicssl.networks.distributed import SyncBatchNorm, SyncBatchNorms, world_size
from tests.support.ranks import on_ranks

pytestmark = pytest.mark.slow

CASES = {
    "of vectors": (nn.BatchNorm1d(3), (10, 3)),
    "of sequences": (nn.BatchNorm1d(3, momentum=0.3, eps=1e-2), (10, 3, 7)),
    "of pictures": (nn.BatchNorm2d(3), (10, 3, 4, 5)),
    "without weights": (nn.BatchNorm2d(3, affine=False), (10, 3, 4, 5)),
    "with cumulative statistics": (nn.BatchNorm1d(3, momentum=None), (10, 3, 7)),
    "without statistics": (nn.BatchNorm1d(3, track_running_stats=False), (10, 3, 7)),
}
SHARES = (slice(0, 4), slice(4, 10))  # of ranks: they need not be equal


def network(name):
    norm = copy.deepcopy(CASES[name][0]).double()
    torch.manual_seed(1)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    return nn.Sequential(norm)


def train(subject, shape, share):
    """Take two training steps and evaluate; the loss weighs each output by a number of its own."""
    record = []
    for seed in (2, 3):
        torch.manual_seed(seed)
        x = (100 + torch.randn(shape, dtype=torch.float64))[share].requires_grad_()
        weights = torch.randn(shape, dtype=torch.float64)[share]
        y = subject.train()(x)
        (y * weights).sum().backward()
        record += [y.detach(), x.grad]
    statistics = [b.clone() for b in subject.buffers()]
    return {
        "rows": [*record, subject.eval()(x).detach()],
        "gradients": [p.grad for p in subject.parameters()],
        "statistics": statistics,
    }


def train_all(rank):
    synchronised = {name: SyncBatchNorms().apply(network(name)) for name in CASES}
    share = SHARES[rank]
    return {
        **{name: train(subject, CASES[name][1], share) for name, subject in synchronised.items()},
        "bfloat16": SyncBatchNorm(3)(half_precision()[share]),
    }


def half_precision():
    torch.manual_seed(5)
    return (100 + torch.randn(10, 3, 500)).bfloat16()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return on_ranks(train_all, tmp_path_factory.mktemp("norms") / "ranks")


@pytest.mark.parametrize("name", [name for name in CASES if name != "without statistics"])
def test_two_ranks_normalise_as_torch_does_the_joined_batch(ranks, name):
    expected = train(network(name), CASES[name][1], slice(None))
    rows = [torch.cat(pair) for pair in zip(*(rank[name]["rows"] for rank in ranks), strict=True)]
    torch.testing.assert_close(rows, expected["rows"], rtol=1e-9, atol=1e-9)
    gradients = zip(*(rank[name]["gradients"] for rank in ranks), strict=True)
    torch.testing.assert_close(
        [a + b for a, b in gradients], expected["gradients"], rtol=1e-9, atol=1e-9
    )
    for rank in ranks:
        torch.testing.assert_close(rank[name]["statistics"], expected["statistics"])


def test_without_running_statistics_only_training_is_synchronised(ranks):
    name = "without statistics"
    expected = train(network(name), CASES[name][1], slice(None))["rows"]
    for place in range(4):  # outputs and gradients of both steps
        found = torch.cat([rank[name]["rows"][place] for rank in ranks])
        torch.testing.assert_close(found, expected[place], rtol=1e-9, atol=1e-9)


def test_sixteen_bits_are_summed_in_32(ranks):
    expected = nn.BatchNorm1d(3)(half_precision())
    found = torch.cat([rank["bfloat16"] for rank in ranks])
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected)


def test_alone_it_is_plain_batch_norm():
    assert world_size() == 1
    for name, (_, shape) in CASES.items():
        plain, subject = network(name), SyncBatchNorms().apply(network(name))
        assert isinstance(subject[0], SyncBatchNorm)
        expected, found = (train(each, shape, slice(None)) for each in (plain, subject))
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_a_model_keeps_its_weights_its_names_and_what_it_is_frozen_to():
    model = nn.Sequential(nn.Conv1d(1, 4, 3), nn.Sequential(nn.BatchNorm1d(4), nn.ReLU()))
    model[1][0].requires_grad_(False).eval()
    before, names = dict(model.named_parameters()), list(model.state_dict())
    plugin = SyncBatchNorms()
    for change, kind in ((plugin.apply, SyncBatchNorm), (plugin.revert, nn.BatchNorm1d)):
        assert type(change(model)[1][0]) is kind
        assert list(model.state_dict()) == names
        for name, parameter in model.named_parameters():
            assert parameter is before[name]
        assert not model[1][0].training


def test_what_is_put_back_has_the_statistics_of_now():
    plugin, model = SyncBatchNorms(), nn.Sequential(nn.BatchNorm1d(3))
    plugin.apply(model).double()(100 + torch.randn(10, 3).double())  # other tensors from here on
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    assert expected["0.running_mean"].min() > 5
    torch.testing.assert_close(dict(plugin.revert(model).state_dict()), expected)


@pytest.mark.parametrize(("device", "kind"), [("cpu", SyncBatchNorm), ("cuda", nn.SyncBatchNorm)])
def test_where_torchs_own_works_it_is_taken(device, kind):
    class Model(pl.LightningModule):
        trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device(device)))

    model, plugin = Model(), SyncBatchNorms()
    model.norm = nn.BatchNorm2d(3)
    assert type(plugin.apply(model).norm) is kind
    assert not isinstance(plugin.revert(model).norm, SyncBatchNorm | nn.SyncBatchNorm)


def test_the_trainer_takes_it_for_its_own_setting(tmp_path):
    """Lightning refuses a plugin of another kind beside `sync_batchnorm=True`."""
    trainer = pl.Trainer(
        accelerator="cpu", sync_batchnorm=True, plugins=[SyncBatchNorms()], logger=False,
        default_root_dir=tmp_path, enable_progress_bar=False,
    )  # fmt: skip
    assert isinstance(trainer._accelerator_connector._layer_sync, SyncBatchNorms)
