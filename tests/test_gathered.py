import pytest
import torch
import torch.distributed as dist

from musicssl.errors import InputError
from musicssl.gathered import gathered, world_size
from musicssl.losses.contrastive import contrastive_loss
from tests.ranks import on_ranks

ROWS, FEATURES = 12, 5


def contrastive(z, clips):
    return contrastive_loss(z, clips[:, None] == clips, temperature=0.2)


def network():
    torch.manual_seed(3)
    layers = (torch.nn.Linear(FEATURES, 7), torch.nn.Tanh(), torch.nn.Linear(7, 4))
    return torch.nn.Sequential(*layers).double()


def batch():
    torch.manual_seed(4)
    x = torch.randn(ROWS, FEATURES, dtype=torch.float64)
    return x, torch.tensor([5, 5, 2, 2, 9, 9, 5, 5, 1, 1, 7, 7])  # clip 5 on both ranks


def without_gradient(z):
    """What is often written instead: gathered without gradient, one's own rows put back."""
    parts = [torch.empty_like(z) for _ in range(world_size())]
    dist.all_gather(parts, z.detach())
    parts[dist.get_rank()] = z
    return torch.cat(parts)


def train(rank, gather):
    """Return the loss and the gradients that DistributedDataParallel leaves, and a few more."""
    x, clips = batch()
    mine = slice(rank * ROWS // 2, (rank + 1) * ROWS // 2)
    replica = torch.nn.parallel.DistributedDataParallel(network())
    loss = contrastive(gather(replica(x[mine])), gathered(clips[mine]))
    loss.backward()
    return {
        "loss": loss.detach(),
        "gradients": [p.grad for p in replica.parameters()],
        "clips": gathered(clips[mine]),
        "observed": gathered(clips[mine] > 4),
    }


def refused(rank):
    with pytest.raises(InputError, match=r"the ranks hold 3, 4 rows; give every rank as many"):
        gathered(torch.zeros(3 + rank, 2))
    return gathered(torch.full((1, 2), rank))  # they still keep step


def work(rank):
    ways = (gathered, without_gradient)
    return {"refused": refused(rank), **{gather.__name__: train(rank, gather) for gather in ways}}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return on_ranks(work, tmp_path_factory.mktemp("gathered") / "ranks")


@pytest.mark.parametrize(("gather", "right"), [("gathered", True), ("without_gradient", False)])
def test_two_ranks_have_loss_and_gradients_of_one_process(ranks, gather, right):
    x, clips = batch()
    alone = network()
    loss = contrastive(gathered(alone(x)), gathered(clips))
    loss.backward()
    for rank in (rank[gather] for rank in ranks):
        torch.testing.assert_close(rank["loss"], loss.detach(), rtol=0, atol=1e-12)
        assert torch.equal(rank["clips"], clips)
        assert torch.equal(rank["observed"], clips > 4)
        worst = max(
            (found - p.grad).abs().max()
            for found, p in zip(rank["gradients"], alone.parameters(), strict=True)
        )
        assert worst < 1e-12 if right else worst > 1e-3


def test_ranks_of_unequal_size_are_refused_by_all(ranks):
    for rank in ranks:
        assert rank["refused"].tolist() == [[0, 0], [1, 1]]


def test_alone_the_rows_are_all_there_is():
    x = torch.zeros(3, 2)
    assert world_size() == 1
    assert gathered(x) is x
