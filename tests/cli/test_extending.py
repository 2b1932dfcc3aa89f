"""A method, an encoder, a corpus, a metric and an artifact from a folder outside the repository.

Nothing of musicssl is edited or patched: the folder holds a package and its configuration files,
and the command line names them.
"""

import csv
import json
import os
import subprocess
import textwrap

import pytest

from tests.support import preloaded
from tests.support.commands import ROOT

pytestmark = pytest.mark.slow

FILES = {
    "mylab/__init__.py": "",
    "mylab/birds.py": '''
        """A corpus with a path of its own: a table says which clips there are."""
        import csv
        from dataclasses import dataclass
        from pathlib import Path

        import numpy as np

        from musicssl.data.corpus import Corpus
        from musicssl.errors import InputError


        @dataclass(frozen=True)
        class Birds:
            root: str
            metadata2: str
            loud: float = 1.0

            def prepare(self):
                """Nothing is derived."""

            def load(self):
                with Path(self.metadata2).open(newline="") as file:
                    rows = list(csv.DictReader(file))
                rng = np.random.default_rng(0)
                y = np.array([[row["bird"] == name for name in ("owl", "wren")] for row in rows])
                x = y[:, None, :] @ rng.random((2, 6)) * self.loud + rng.random((len(y), 3, 6))
                return Corpus(
                    name="birds",
                    classes=("owl", "wren"),
                    x=x.astype(np.float32),
                    y=y.astype(np.float32),
                    mask=np.ones(y.shape, dtype=bool),
                    split=np.array([row["split"] for row in rows]),
                    clip_ids=np.array([row["clip"] for row in rows]),
                )

            def audio(self, clip_id):
                raise InputError("the birds are features without recordings.")
        ''',
    "mylab/squares.py": '''
        """An encoder: squares of features, and a linear layer."""
        from torch import nn


        class Squares(nn.Module):
            def __init__(self, num_features, num_instances=None, width=8):
                super().__init__()
                self.embed_dim = width
                self.layer = nn.Linear(num_features, width)

            def forward(self, x, valid=None):
                return self.layer(x.square()), valid
        ''',
    "mylab/barlow.py": '''
        """A method: supervised learning that also decorrelates embeddings. With a metric."""
        import torch

        from musicssl.evaluation.metrics import METRICS, MetricInfo
        from musicssl.methods.base.method import Method


        def brier(scores, targets, mask):
            return (scores - targets).square().where(mask, torch.nan).nanmean(dim=0)


        METRICS["brier"] = MetricInfo(
            "brier", "Brier score", smaller_is_better=True, measure=brier
        )


        class Barlow(Method):
            artifacts = (*Method.artifacts, "mylab.correlations.Correlations")

            def __init__(self, *, weight, **parts):
                super().__init__(**parts)
                self.weight = weight

            def training_step(self, batch, batch_idx):
                supervised = self.loss(self.classifier(batch), batch.y, batch.mask)
                h = self.classifier.clip_embeddings(batch)
                off = torch.cov(h.T) - torch.diag(torch.diag(torch.cov(h.T)))
                loss = supervised + self.weight * off.square().mean()
                self.record(loss=loss, supervised_loss=supervised)
                return loss
        ''',
    "mylab/correlations.py": '''
        """An artifact: how embeddings of the test clips correlate."""
        import numpy as np
        import torch


        class Correlations:
            def write(self, run):
                with torch.no_grad():
                    h = [
                        run.method.classifier.clip_embeddings(batch)
                        for batch in run.datamodule.batches("test")
                    ]
                table = np.corrcoef(torch.cat(h).numpy().T)
                np.savetxt(run.folder.path / "correlations.csv", table, delimiter=",")
                return {"correlation": float(np.abs(table).mean())}

            def show(self, folder, document, console):
                if document.get("correlation") is not None:
                    console.print(f"Mean correlation: {document['correlation']:.3f}")
        ''',
    "mylab/conf/method/barlow.yaml": """
        _target_: mylab.barlow.Barlow
        encoder: ${encoder}
        pooling: ${pooling}
        loss: ${loss}
        optimizer: ${optimizer}
        schedule: ${schedule}
        weight: 0.1
        """,
    "mylab/conf/encoder/squares.yaml": """
        _target_: mylab.squares.Squares
        _partial_: true
        width: 8
        """,
    "mylab/conf/dataset/birds.yaml": """
        _target_: mylab.birds.Birds
        root: ${data.root}
        metadata2: null      # the table of clips
        loud: 1.0
        """,
}
CHOICES = ["method=barlow", "encoder=squares", "pooling=mean", "dataset=birds"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("clip", "bird", "split"))
        for i in range(60):
            split = "train" if i < 36 else "val" if i < 48 else "test"
            writer.writerow((f"clip{i}", ("owl", "wren")[i % 2], split))
    return folder


def command(lab, script, *arguments):
    return preloaded.run(
        *(str(ROOT / script), "--config-dir", "mylab/conf", *arguments),
        cwd=lab,
        extra_env={"PYTHONPATH": f"{lab}{os.pathsep}{ROOT}"},
    )


def train(lab, *more):
    table = f"dataset.metadata2={lab}/clips.csv"
    small = ["trainer=cpu", "trainer.max_epochs=2", "data.batch_size=8", "data.root=."]
    return command(lab, "train.py", *CHOICES, table, *small, *more)


def test_all_five_work_together_and_musicssl_is_untouched(lab):
    before = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    result = train(lab)
    assert result.returncode == 0, result.stderr
    assert "Mean correlation: 0." in result.stdout
    assert "Brier" in result.stdout
    [metrics] = (lab / "runs").rglob("metrics.json")
    run = metrics.parent
    document = json.loads(metrics.read_text())
    with (run / "correlations.csv").open() as file:
        table = [[float(cell) for cell in row] for row in csv.reader(file)]
    assert document["correlation"] == pytest.approx(sum(abs(c) for r in table for c in r) / 64)
    assert 0 < document["macro"]["brier"] < 1
    assert "val/brier" in (run / "history.csv").read_text()
    parts = run.relative_to(lab / "runs").parts  # what differs is named, and no path is
    assert parts[:2] == ("barlow", "birds")
    assert "encoder-squares" in parts[2]
    assert "clips" not in parts[2]

    again = train(lab)
    assert "This run is complete" in again.stdout
    probed = command(
        *(lab, "probe.py", f"checkpoint={run}/checkpoints/best.ckpt", "trusted=[mylab]"),
        *("seeds=1", "data.p_s=1", "device=cpu", "baselines=[untrained]"),
    )
    assert probed.returncode == 0, probed.stderr
    after = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    assert after == before


def test_the_report_shows_a_metric_from_outside(lab):
    for seed in (0, 1):
        assert train(lab, f"seed={seed}").returncode == 0
    shown = preloaded.run("-m", "musicssl.report", "runs", cwd=lab)
    assert shown.returncode == 0, shown.stderr
    assert "brier" in shown.stdout
    assert "brier" in (lab / "report" / "index.html").read_text()
