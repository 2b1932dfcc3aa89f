"""The data module when a method learns each label separately: which clips a batch has for it."""

from contextlib import nullcontext

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.batch import Batch
from musicssl.data.label_batches import LabelRows
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.runs.resume import ResumeCheckpoint
from tests.support.interrupted import Stop
from tests.support.kinds import OneClass, Values
from tests.support.serving import Altered, datamodule, rank_of
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer


def by_label(dataset=None, **settings):
    return datamodule(dataset, **({"needs": Needs(by_label=True), "b_s": 0.25} | settings))


def rows_of(module, epochs=1):
    """All rows of some epochs, (M, E B_l) and (M, E B_u)."""
    loader = module.train_dataloader()
    batches = [batch for _ in range(epochs) for batch in loader]
    return [torch.cat(parts, dim=1).numpy() for parts in zip(*batches, strict=True)]


@pytest.mark.parametrize("settings", [{"p_s": 0.5}, {"p_cells": 0.4}, {"p_s": 0.5, "p_cells": 0.4}])
def test_by_label_every_label_has_the_clips_in_which_it_is_observed(settings):
    module = by_label(Tiny(num_classes=5), **settings)
    train = set(module.rows("train").tolist())
    mask = dict(zip(module.rows("train").tolist(), module.labels("train")[1], strict=True))
    labelled, unlabelled = rows_of(module, epochs=12)
    assert labelled.shape[0] == unlabelled.shape[0] == 5
    for label in range(5):
        observed = {row for row in train if mask[row][label]}
        assert set(labelled[label]) == observed
        assert set(unlabelled[label]) == train - observed
    counts = module.label_plan().counts
    assert counts.labelled.tolist() == module.labels("train")[1].sum(dim=0).tolist()
    assert (counts.labelled + counts.unlabelled).tolist() == [84] * 5
    if "p_cells" in settings:  # each label has clips of its own
        assert len({frozenset(clips) for clips in labelled}) == 5


def test_by_label_batches_have_the_size_and_share_asked_for():
    module = by_label(p_s=0.5, b_s=0.3, batch_size=10)
    batches = list(module.train_dataloader())
    assert {(batch.labelled.shape, batch.unlabelled.shape) for batch in batches} == {
        ((3, 3), (3, 7))
    }
    assert len(batches) == module.steps_per_epoch == 6  # 42 / 7


def test_by_label_without_unlabelled_batches_an_epoch_is_a_pass_of_the_labelled():
    module = by_label(p_s=0.5, b_s=1.0)
    labelled, unlabelled = rows_of(module)
    assert unlabelled.shape == (3, 0)
    assert module.steps_per_epoch == 3  # 42 / 16
    assert set(labelled[0]) == set(module.labelled())


def test_by_label_where_all_is_known_unlabelled_batches_are_of_all_clips():
    module = by_label(b_s=0.5)
    labelled, unlabelled = rows_of(module)
    for clips in (*labelled, *unlabelled):
        assert set(clips) == set(module.rows("train"))


def test_by_label_a_clip_of_one_class_is_known_or_not():
    module = by_label(OneClass(unlabelled=40))
    labelled, unlabelled = rows_of(module, epochs=6)
    known = module.labels("train")[1].all(dim=1).numpy()
    assert labelled.shape[0] == 1
    assert set(labelled[0]) == set(module.rows("train")[known])
    assert set(unlabelled[0]) == set(module.rows("train")[~known])
    assert module.label_plan().counts.labelled.tolist() == [known.sum()]


@pytest.mark.parametrize(("b_s", "said"), [(0, "0"), (0.0, "0"), (None, "null")])
def test_by_label_needs_a_share_of_labelled_clips(b_s, said):
    with pytest.raises(InputError, match=rf"each label .*data\.b_s={said} .* data\.b_s=0\.5\.$"):
        by_label(b_s=b_s)


def test_by_label_refuses_crops_which_would_have_no_effect():
    with pytest.raises(InputError, match=r"data\.num_crops=2 has no effect"):
        by_label(num_crops=2)


def test_by_label_refuses_a_regression():
    with pytest.raises(InputError, match="each class, but values is a regression; choose another"):
        by_label(Values())
    assert datamodule(Values(), b_s=0.5)  # which other methods learn


def test_by_label_without_any_label_is_refused():
    with pytest.raises(InputError, match=r"p_s=0 leaves no labelled clip.*; raise data\.p_s\.$"):
        by_label(p_s=0.0)


def test_by_label_a_label_that_p_s_leaves_unknown_learns_from_no_clip():
    def hide_the_first(corpus):
        mask = corpus.mask.copy()
        mask[::2, 0] = False
        return {"mask": mask}

    modules = (by_label(Altered(hide_the_first), p_s=0.02, seed=seed) for seed in range(99))
    module = next(m for m in modules if not m.labels("train")[1][:, 0].any())
    labelled, _ = rows_of(module, epochs=3)
    counts = module.label_plan().counts
    assert counts.labelled.tolist() == [0, 2, 2]
    assert counts.unlabelled.tolist() == [84, 82, 82]
    assert set(labelled[0]) == set(module.rows("train"))


def test_by_label_unlabelled_clips_may_come_from_a_second_corpus():
    other = Tiny(num_clips=40, seed=9)
    module = by_label(p_s=0.5, unlabelled=other)
    theirs = 120 + np.flatnonzero(other.load().split == "train")
    labelled, unlabelled = rows_of(module, epochs=6)
    for label in range(3):
        assert set(labelled[label]) == set(module.labelled())
        assert set(unlabelled[label]) == set(theirs)
    assert module.label_plan().counts.unlabelled.tolist() == [28] * 3


def test_by_label_the_ranks_share_the_batches_of_one():
    def steps(rank, world_size, batch_size):
        module = by_label(p_cells=0.4, batch_size=batch_size)
        module.trainer = rank_of(
            global_rank=rank, world_size=world_size, current_epoch=2, datamodule=module
        )
        assert len(module.train_dataloader()) == module.steps_per_epoch
        return list(module.train_dataloader())

    shared = zip(steps(0, 2, 8), steps(1, 2, 8), strict=True)
    for whole, parts in zip(steps(0, 1, 16), shared, strict=True):
        for rows, shares in zip(whole, zip(*parts, strict=True), strict=True):
            assert torch.equal(rows, torch.cat(shares, dim=1))


def test_by_label_the_order_is_that_of_the_seed_and_the_epoch():
    def rows(**settings):
        return rows_of(by_label(p_cells=0.4, **settings), epochs=2)[0]

    assert np.array_equal(rows(seed=1), rows(seed=1))
    assert not np.array_equal(rows(seed=1), rows(seed=2))  # the labels are those of split_seed
    first, second = np.split(rows(), 2, axis=1)
    assert not np.array_equal(first, second)


class Recorder(pl.LightningModule):
    """Keeps what its training steps are handed."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch, batch_idx):
        assert isinstance(batch, LabelRows)
        self.seen.append([part.tolist() for part in batch])
        return self.weight.square()

    def validation_step(self, batch, batch_idx):
        assert isinstance(batch, Batch)  # clips, as ever

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_lightning_hands_on_the_rows_of_each_epoch_and_resumes_within_one(tmp_path):
    last = tmp_path / "last.ckpt"

    def trained(stop=None):
        recorder = Recorder()
        callbacks = [Stop(stop), ResumeCheckpoint(last)]
        settings = {"max_epochs": 3, "enable_checkpointing": True, "callbacks": callbacks}
        trainer = quiet_trainer(tmp_path, **settings)
        with pytest.raises(SIGTERMException) if stop else nullcontext():
            trainer.fit(recorder, by_label(p_s=0.5), ckpt_path=last if last.is_file() else None)
        return recorder.seen

    plan = by_label(p_s=0.5).label_plan()
    whole = [plan.rows(epoch, step) for epoch in range(3) for step in range(4)]  # 42 / 12
    expected = [[part.tolist() for part in rows] for rows in whole]
    assert trained() == expected
    last.unlink()
    first = trained(stop="step 1")
    assert first == expected[:6]
    assert first + trained() == expected
