import numpy as np
import pytest
import torch

from musicssl.batch import Batch
from musicssl.data.batches import BatchPlan, Stream
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.generative.summary import ClipWeights
from tests.support.tiny import Tiny


def batch_of(rows):
    rows = torch.from_numpy(rows)
    y = torch.zeros(len(rows), 3)
    return Batch(torch.zeros(len(rows), 1, 1), y, y.bool(), rows=rows)


def plan_of(labelled, pool, num_labelled, batch_size=6):
    streams = (Stream(np.array(clips), (0, i)) for i, clips in enumerate((labelled, pool)))
    return BatchPlan(*streams, batch_size, num_labelled, steps_per_epoch=1)


@pytest.mark.parametrize(
    ("labelled", "pool", "num_labelled"),
    [
        ([3, 8], [1, 3, 5, 7, 8, 9], 2),  # the unlabelled stream is of all clips
        ([3, 8], [1, 3, 5, 7, 8, 9], 3),
        ([1, 3, 5, 7, 8, 9], [1, 3, 5, 7, 8, 9], 2),  # all are labelled
        ([3, 8], [20, 21, 22], 2),  # a second corpus
        ([3, 8], [1, 3, 5], 6),  # none are drawn as unlabelled ones
        ([1, 3, 5, 7, 8, 9], [1, 3], 6),  # data.b_s=null
        ([3], [1, 3, 5], 0),
    ],
)
def test_the_weighted_sums_of_batches_average_to_the_mean_of_all_clips(
    labelled, pool, num_labelled
):
    plan = plan_of(labelled, pool, num_labelled)
    drawn = set(labelled if num_labelled else []) | set(pool if num_labelled < 6 else [])
    cost = torch.randn(30, generator=torch.Generator().manual_seed(0))
    weights = ClipWeights(plan, torch.device("cpu"))
    sums = []
    for step in range(60):  # whole turns of all streams
        batch = batch_of(plan.clips(0, step))
        sums.append(weights.of(batch) @ cost[batch.rows])
    expected = torch.stack([cost[row] for row in sorted(drawn)]).mean()
    torch.testing.assert_close(torch.stack(sums).mean(), expected)


def test_one_stream_of_all_clips_is_averaged():
    datamodule = SemiSupervisedDataModule(Tiny(), p_s=0.3, b_s=None, batch_size=16)
    datamodule.setup()
    weights = ClipWeights(datamodule.batch_plan(), torch.device("cpu"))
    batch = next(iter(datamodule.train_dataloader()))
    torch.testing.assert_close(weights.of(batch), torch.full((16,), 1 / 16))


def test_crops_of_a_clip_count_together_what_the_clip_counts():
    datamodule = SemiSupervisedDataModule(Tiny(), p_s=0.3, b_s=0.5, batch_size=16, num_crops=2)
    datamodule.setup()
    plan = datamodule.batch_plan()
    batch = next(iter(datamodule.train_dataloader()))
    of_crops = ClipWeights(plan, torch.device("cpu")).of(batch)
    single = SemiSupervisedDataModule(Tiny(), p_s=0.3, b_s=0.5, batch_size=16)
    single.setup()
    of_clips = ClipWeights(single.batch_plan(), torch.device("cpu")).of(
        next(iter(single.train_dataloader()))
    )
    torch.testing.assert_close(of_crops.view(16, 2).sum(dim=1), of_clips)
