import pytest
import torch

from musicssl.networks.ensemble import PredictionEnsemble


def test_the_ensemble_of_a_constant_is_that_constant_at_every_visit():
    ensemble = PredictionEnsemble(6, 3, momentum=0.6)
    prediction = torch.rand(6, 3)
    visits = [[0, 1, 2], [2, 3], [0, 2], [2, 4], [0, 1, 2, 3, 4]]
    for visit in visits:
        rows = torch.tensor(visit)
        ensemble.update(rows, prediction[rows])
        targets, known = ensemble.targets(rows)
        assert known.all()
        torch.testing.assert_close(targets, prediction[rows])


def test_a_clip_that_was_not_seen_has_no_target():
    ensemble = PredictionEnsemble(3, 2, momentum=0.6)
    ensemble.update(torch.tensor([1]), torch.ones(1, 2))
    targets, known = ensemble.targets(torch.tensor([0, 1, 2]))
    assert known.tolist() == [False, True, False]
    assert torch.isfinite(targets).all()


@pytest.mark.parametrize("momentum", [0.0, 0.6, 0.99])
def test_it_follows_the_algorithm_of_the_paper_clip_by_clip(momentum):
    generator = torch.Generator().manual_seed(0)
    ensemble = PredictionEnsemble(5, 2, momentum)
    sums, counts = [torch.zeros(2) for _ in range(5)], [0] * 5
    for _ in range(12):
        rows = torch.randperm(5, generator=generator)[:3]
        z = torch.rand(3, 2, generator=generator)
        ensemble.update(rows, z)
        for row, prediction in zip(rows.tolist(), z, strict=True):
            sums[row] = momentum * sums[row] + (1 - momentum) * prediction
            counts[row] += 1
    targets, known = ensemble.targets(torch.arange(5))
    assert known.all()
    for row in range(5):
        torch.testing.assert_close(targets[row], sums[row] / (1 - momentum ** counts[row]))


def test_a_clip_that_is_twice_in_a_batch_counts_once_with_the_mean():
    pair, single = (PredictionEnsemble(2, 1, momentum=0.5) for _ in range(2))
    pair.update(torch.tensor([1, 0, 1]), torch.tensor([[0.2], [0.9], [0.6]]))
    single.update(torch.tensor([0, 1]), torch.tensor([[0.9], [0.4]]))
    for name, value in single.saved().items():
        torch.testing.assert_close(pair.saved()[name], value)


def test_it_is_no_part_of_the_network_and_travels_by_itself():
    ensemble, other = (PredictionEnsemble(4, 2, momentum=0.6) for _ in range(2))
    assert ensemble.state_dict() == {}
    ensemble.update(torch.tensor([0, 3]), torch.rand(2, 2))
    saved = ensemble.saved()
    ensemble.update(torch.tensor([0, 3]), torch.rand(2, 2))  # what was saved stays as it was
    other.restore(saved)
    assert other.counts.tolist() == [1, 0, 0, 1]
    torch.testing.assert_close(other.saved(), saved)
