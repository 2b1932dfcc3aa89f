"""A contrastive step of two real processes is that of one process on the whole batch."""

from pathlib import Path

import pytest
import torch

from musicssl.runs.history import read_history
from tests.support.commands import SEARCH_PATH, shell

pytestmark = pytest.mark.slow


def train(folder: Path, *overrides: str) -> tuple[float, dict[str, torch.Tensor]]:
    """Take one step of gradient descent; return its loss and the weights after it."""
    folder.mkdir()
    result = shell(
        *(folder, SEARCH_PATH, "dataset=tiny_sound"),
        "hydra.run.dir=run",  # a name of all these settings would be too long for a folder
        *("features.sample_rate=800", "data.crop_seconds=1.0"),
        *("encoder=samplecnn", "encoder.chunk_samples=729", "encoder.num_blocks=5"),
        *("encoder.width=16", "encoder.dropout=0"),  # each rank would draw its own
        *("views=none", "data.b_s=0.5", "threads=1"),
        *("trainer=cpu", "trainer.max_epochs=1", "+trainer.limit_train_batches=1"),
        # The step is the gradient itself. Adam's first one is its sign, and rounding has a sign.
        *("optimizer._target_=torch.optim.SGD", "optimizer.lr=1", "method.temperature=1"),
        *overrides,
    )
    assert result.returncode == 0, result.stderr
    run = folder / "run"
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return read_history(run / "history.csv")[0]["train/loss"], state


PAIR = (
    *("method=semisupcon", "data.batch_size=8"),
    *("trainer.devices=2", "+trainer.strategy=ddp", "trainer.sync_batchnorm=true"),
)


def is_of_convolution(bias: str, state: dict[str, torch.Tensor]) -> bool:
    """Say whether this is the bias of a convolution."""
    layer, _, kind = bias.rpartition(".")
    return kind == "bias" and state[f"{layer}.weight"].ndim == 3


def test_two_ranks_with_synchronised_batch_norms_take_the_step_of_one(tmp_path):
    loss, alone = train(tmp_path / "alone", "method=semisupcon", "data.batch_size=16")
    pair_loss, pair = train(tmp_path / "pair", *PAIR)
    assert pair_loss == pytest.approx(loss, abs=1e-6)
    assert list(pair) == list(alone)
    for name, expected in alone.items():
        tolerance = 1e-6
        if name.startswith("classifier.pooling."):  # no step trains the probe: it is solved for,
            tolerance = 1e-2  # from clips in another order
        if is_of_convolution(name, alone):  # a batch norm takes it away again: its gradient is 0,
            tolerance = 3e-6  # and what there is of it is rounding
        torch.testing.assert_close(pair[name], expected, rtol=0, atol=tolerance, msg=name)


def test_a_rank_without_a_labelled_clip_does_not_stop_the_others(tmp_path):
    _, pair = train(tmp_path / "pair", *PAIR, "data.p_s=0.02")  # 1 clip of 42
    probe = "classifier.pooling.classifier."
    assert (pair[f"{probe}weight"] == 0).all()  # of a single clip there is nothing to tell apart
    shares = pair[f"{probe}bias"].sigmoid()  # (0 + 0.5) / (1 + 1), or (1 + 0.5) / (1 + 1)
    torch.testing.assert_close((shares - 0.5).abs(), torch.full_like(shares, 0.25))
