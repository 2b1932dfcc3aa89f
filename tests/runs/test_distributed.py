"""Two real processes train what one process trains on batches of twice the size."""

from pathlib import Path

import pytest
import torch

from musicssl.runs.history import read_history
from tests.support.commands import shell
from tests.support.training_command import TINY

pytestmark = pytest.mark.slow


def train(folder: Path, *overrides: str) -> Path:
    folder.mkdir()
    result = shell(
        *(folder, *TINY, "dataset.num_clips=400", "trainer=cpu", "trainer.max_epochs=3"),
        *("threads=1", "data.p_s=0.2", "data.b_s=0.5", *overrides),
    )
    assert result.returncode == 0, result.stderr
    return next(folder.rglob("metrics.json")).parent


# No batch norm, no dropout and no noise: nothing but the gradient links the clips of a batch.
PLAIN = ("views=none", "encoder=fc_t", "encoder.dropout=0", "pooling=mean")


@pytest.mark.parametrize(
    "chosen",
    [
        ("method=att", *PLAIN),
        ("method=temporal_ensembling", *PLAIN),
        ("method=dgm", "method.generative=false", "method.dropout=0", "method.h1=16"),
    ],
)
def test_two_ranks_train_like_one_with_twice_the_batch(tmp_path, chosen):
    """Clips change ranks between epochs, so an ensemble must know what both have said."""
    alone = train(tmp_path / "alone", *chosen, "data.batch_size=16")
    pair = train(
        *(tmp_path / "pair", *chosen, "data.batch_size=8"),
        *("trainer.devices=2", "+trainer.strategy=ddp"),
    )
    weights = [
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in (alone, pair)
    ]
    for name, expected in weights[0].items():
        torch.testing.assert_close(weights[1][name], expected, rtol=1e-4, atol=1e-6)
    expected, found = (read_history(run / "history.csv") for run in (alone, pair))
    assert len(found) == len(expected) == 3
    for ours, theirs in zip(found, expected, strict=True):
        for name in ("val/loss", "val/auroc", "val/f1"):  # of the whole set, not of a rank's share
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3)
