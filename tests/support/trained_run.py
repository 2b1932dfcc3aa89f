"""What the folder of a trained run is good for afterwards."""

from pathlib import Path

import torch

from musicssl.batch import Batch
from musicssl.runs.checkpoint import load_method
from musicssl.runs.folder import RunFolder
from tests.support import probing_command
from tests.support.arrays import arrays_in
from tests.support.tiny import Tiny


def assert_checkpoint_serves(run: RunFolder, num_clips: int, scratch: Path) -> None:
    """Check that the best weights of a run on `tiny` predict as it did, and can be probed."""
    method, _ = load_method(run.best)
    corpus = Tiny(num_clips=num_clips).load()
    test = torch.from_numpy(corpus.x[corpus.split == "test"])
    y = torch.zeros(len(test), 3)
    saved = arrays_in(run.path / "predictions.npz")["scores"]
    torch.testing.assert_close(method.scores(Batch(test, y, y.bool())), torch.from_numpy(saved))
    probe = probing_command.run(
        *(scratch / "probe", f"checkpoint={run.best}", "dataset=tiny", "data.p_s=[1]"),
        *("seeds=1", "probe.strengths=[0.01,1]", "baselines=[]"),
    )
    assert probe.document()["fits"]
