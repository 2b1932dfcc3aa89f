import pytest
import torch
import torch.distributed as dist
from torch.distributed.nn import functional

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.losses.contrastive import contrastive_loss
from musicssl.methods.vicreg import VICReg
from musicssl.networks.distributed import gathered, mean_over_ranks, world_size
from tests.support.ranks import on_ranks
from tests.support.training import representation_parts

pytestmark = pytest.mark.slow

ROWS, FEATURES = 12, 5
NOTHING_SEEN = Batch(*[torch.empty(0)] * 3)  # VICReg looks at projections alone


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
    return (torch.cat(parts),)


def train(rank, gather):
    """Return the loss and the gradients that DistributedDataParallel leaves, and a few more."""
    x, clips = batch()
    mine = slice(rank * ROWS // 2, (rank + 1) * ROWS // 2)
    replica = torch.nn.parallel.DistributedDataParallel(network())
    (z,), (of_all, observed) = gather(replica(x[mine])), gathered(clips[mine], clips[mine] > 4)
    loss = contrastive(z, of_all)
    loss.backward()
    return {
        "loss": loss.detach(),
        "gradients": [p.grad for p in replica.parameters()],
        "clips": of_all,
        "observed": observed,
    }


def refused(rank):
    with pytest.raises(
        InputError, match=r"the ranks have 3, 4 rows; give every rank the same number"
    ):
        gathered(torch.zeros(3 + rank, 2))
    return gathered(torch.full((1, 2), rank))[0]  # they still keep step


def counted():
    """Return how often the ranks talk to join three tensors."""
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        gather = functional.all_gather
        patch.setattr(functional, "all_gather", lambda x: (calls.append(x), gather(x))[1])
        gathered(torch.zeros(2, 3), torch.zeros(2), torch.zeros(2, 1).bool())
    return len(calls)


def vicreg(rank):
    """Return the loss of a rank's share of the clips, and what flows back into its network."""
    x, _ = batch()
    replica = torch.nn.parallel.DistributedDataParallel(network())
    subject = VICReg(**representation_parts(num_crops=2))
    mine = slice(rank * ROWS // 2, (rank + 1) * ROWS // 2)
    loss = subject.objective(NOTHING_SEEN, replica(x[mine])).loss
    loss.backward()
    return {"loss": loss.detach(), "gradients": [p.grad for p in replica.parameters()]}


def transposed(rank):
    """Return the gradient of rows that a loss reads column by column, as others' share of it."""
    x = torch.arange(6, dtype=torch.float64).reshape(2, 3).requires_grad_()
    (of_all,) = gathered(x)
    weights = torch.arange(12, dtype=torch.float64).reshape(3, 4)
    ((2 * of_all).T * weights).sum().backward()
    return x.grad


def averaged(rank):
    """Return the gradients of a function of the mean over ranks that is not linear."""
    x = torch.tensor(float(rank + 1), requires_grad=True)
    mean_over_ranks(3 * x).square().backward()
    return x.grad


def work(rank):
    ways = (gathered, without_gradient)
    return {
        "refused": refused(rank),
        "calls": counted(),
        "vicreg": vicreg(rank),
        "transposed": transposed(rank),
        "averaged": averaged(rank),
        **{gather.__name__: train(rank, gather) for gather in ways},
    }


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return on_ranks(work, tmp_path_factory.mktemp("gathered") / "ranks")


@pytest.mark.parametrize(("gather", "right"), [("gathered", True), ("without_gradient", False)])
def test_two_ranks_have_loss_and_gradients_of_one_process(ranks, gather, right):
    x, clips = batch()
    alone = network()
    loss = contrastive(alone(x), clips)
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


def test_what_belongs_together_is_counted_once(ranks):
    assert [rank["calls"] for rank in ranks] == [1 + 3] * 2


def test_vicreg_takes_its_statistics_over_all_ranks(ranks):
    x, _ = batch()
    alone = network()
    subject = VICReg(**representation_parts(num_crops=2))
    loss = subject.objective(NOTHING_SEEN, alone(x)).loss
    loss.backward()
    for rank in (rank["vicreg"] for rank in ranks):
        torch.testing.assert_close(rank["loss"], loss.detach(), rtol=0, atol=1e-10)
        for found, p in zip(rank["gradients"], alone.parameters(), strict=True):
            torch.testing.assert_close(found, p.grad, rtol=0, atol=1e-10)


def test_alone_the_rows_are_all_there_is():
    x = torch.zeros(3, 2)
    assert world_size() == 1
    y = torch.zeros(3)
    assert gathered(x)[0] is x
    assert gathered(x, y)[1] is y


def test_a_gradient_that_lies_transposed_in_memory_reaches_its_rows(ranks):
    """Oracle: 2 w for each of two equal losses; rank 0 has the first two of four columns of w."""
    weights = torch.arange(12, dtype=torch.float64).reshape(3, 4).T
    for number, rank in enumerate(ranks):
        torch.testing.assert_close(rank["transposed"], 4 * weights[2 * number : 2 * number + 2])


def test_a_function_of_the_mean_over_ranks_has_the_gradient_of_one_process(ranks):
    """Oracle: m = (3 + 6) / 2, and the mean over ranks of d m^2 / d x is 2 m 3 / 2."""
    gradients = torch.stack([rank["averaged"] for rank in ranks])
    torch.testing.assert_close(gradients / 2, torch.full_like(gradients, 2 * 4.5 * 3 / 2))
    assert mean_over_ranks(torch.tensor(4.0)) == 4
