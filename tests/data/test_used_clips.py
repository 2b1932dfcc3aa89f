"""Which clips and labels the data module uses where not all are: u_s, val_labels, streams."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.runs.messages import describe_data
from tests.support.serving import datamodule
from tests.support.tiny import Tiny
from tests.support.tiny_sound import RATE, TinySound


def drawn(module, epochs=12):
    plan = module.batch_plan()
    steps = range(module.steps_per_epoch)
    return {clip for e in range(epochs) for s in steps for clip in plan.clips(e, s).tolist()}


def test_a_fraction_of_the_clips_without_labels_is_used_and_nests():
    smaller: set[int] = set()
    for u_s in (0.0, 0.25, 0.5, 1.0):
        module = datamodule(p_s=0.1, b_s=0.5, u_s=u_s, seed=4)
        labelled = set(module.labelled().tolist())
        used, train = drawn(module), set(module.rows("train").tolist())
        assert labelled <= used <= train
        assert len(used) == len(labelled) + round(u_s * (len(train) - len(labelled)))
        assert used == set(module.training_rows().tolist())
        assert smaller <= used
        smaller = used
    assert used == train


def test_clips_that_are_not_used_affect_nothing():
    """Oracle: the same corpus with other instances in these clips."""
    settings = {"p_s": 0.1, "b_s": 0.5, "u_s": 0.25}
    unused = np.setdiff1d(
        datamodule(**settings).rows("train"), datamodule(**settings).training_rows()
    )

    class Different(Tiny):
        def load(self):
            corpus = super().load()
            x = corpus.x.copy()
            x[unused] = 1e6
            return dataclasses.replace(corpus, x=x)

    first, second = datamodule(**settings), datamodule(Different(), **settings)
    for a, b in zip(first.feature_statistics(), second.feature_statistics(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(first.train_dataloader(), second.train_dataloader(), strict=True):
        assert torch.equal(a.x, b.x)


def test_one_stream_holds_used_clips_only():
    module = datamodule(p_s=0.1, b_s=None, u_s=0.25)
    assert (
        drawn(module) == set(module.training_rows().tolist()) < set(module.rows("train").tolist())
    )


def test_batches_by_label_hold_used_clips_only():
    module = datamodule(p_s=0.2, b_s=0.5, u_s=0.25, needs=Needs(by_label=True))
    rows = set()
    for step in module.train_dataloader():
        rows |= set(step.labelled.flatten().tolist()) | set(step.unlabelled.flatten().tolist())
    assert rows <= set(module.training_rows().tolist())


def test_a_fraction_of_the_unlabelled_corpus_is_used():
    whole, half = (
        datamodule(b_s=0.5, u_s=u_s, unlabelled=Tiny(num_clips=60)) for u_s in (1.0, 0.5)
    )
    count = len(whole.corpus.clip_ids)
    foreign = [{row for row in drawn(module) if row >= count} for module in (whole, half)]
    assert foreign[1] < foreign[0]
    assert len(foreign[1]) == round(len(foreign[0]) / 2)
    with pytest.raises(InputError, match=r"data\.u_s=0 leaves no clip of the unlabelled corpus"):
        datamodule(b_s=0.5, u_s=0.0, unlabelled=Tiny(num_clips=60))


def test_unlabelled_clips_that_are_not_drawn_cannot_be_chosen():
    with pytest.raises(InputError, match=r"data\.u_s=0\.5 chooses .* data\.b_s=1 draws none"):
        datamodule(b_s=1.0, u_s=0.5)
    with pytest.raises(InputError, match=r"data\.p_s=0 and data\.u_s=0 leave no training clip"):
        datamodule(p_s=0.0, b_s=0.0, u_s=0.0, needs=Needs(labels=False))


def test_used_clips_and_validation_labels_are_counted_before_training():
    module = datamodule(p_s=0.1, b_s=0.5, u_s=0.5, val_labels=5)
    text = describe_data(module)
    train, kept = len(module.rows("train")), len(module.labelled())
    others = round(0.5 * (train - kept))
    assert text.startswith(
        f"{kept} of {train} training clips keep labels. {others} others are used without labels"
    )
    assert f"Validation {len(module.rows('val'))} clips, 5 with labels" in text
    assert "used without labels" not in describe_data(datamodule(p_s=0.1, b_s=0.5))


def test_validation_labels_are_drawn_by_the_seed_and_test_labels_stay():
    masks = [datamodule(val_labels=0.2, seed=seed).labels("val")[1] for seed in (0, 0, 1)]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    kept = datamodule().labels("val")[1]
    assert masks[0].any(dim=1).sum() == round(0.2 * int(kept.any(dim=1).sum()))
    assert (kept | ~masks[0]).all()
    assert datamodule(val_labels=1).labels("test")[1].all()


def drawn_unlabelled(module, epochs=3):
    plan = module.batch_plan()
    steps = [plan.clips(e, s) for e in range(epochs) for s in range(plan.steps_per_epoch)]
    return [clips[plan.num_labelled :] for clips in steps]


@pytest.mark.parametrize("p_s", [0.1, 0.5])
def test_unlabelled_clips_can_be_those_without_labels(p_s):
    shared, apart = (datamodule(p_s=p_s, b_s=0.5, disjoint=d) for d in (False, True))
    labelled = set(apart.labelled().tolist())
    train = set(apart.rows("train").tolist())
    assert set(np.concatenate(drawn_unlabelled(shared)).tolist()) == train
    assert set(np.concatenate(drawn_unlabelled(apart)).tolist()) == train - labelled
    assert np.array_equal(shared.labelled(), apart.labelled())
    assert set(apart.training_rows().tolist()) == train


def test_disjoint_keeps_to_the_unlabelled_clips_that_are_used():
    module = datamodule(p_s=0.1, b_s=0.5, u_s=0.5, disjoint=True)
    pool = set(module.training_rows().tolist()) - set(module.labelled().tolist())
    assert set(np.concatenate(drawn_unlabelled(module, 6)).tolist()) == pool
    assert len(pool) == 38  # half of 76


@pytest.mark.parametrize(
    ("epoch_of", "clips"), [("train", 84), ("labelled", 25), ("unlabelled", 59)]
)
def test_an_epoch_draws_as_many_clips_as_one_of_the_streams_has(epoch_of, clips):
    module = datamodule(p_s=0.3, b_s=0.5, disjoint=True, batch_size=8, epoch_of=epoch_of)
    assert len(module.train_dataloader()) == -(-clips // 8)
    if epoch_of == "unlabelled":  # two epochs of half a batch each are one pass
        [first, *_] = np.split(np.concatenate(drawn_unlabelled(module, 2)), [59])
        assert len(set(first.tolist())) == 59


def test_an_epoch_of_crops_draws_each_recording_as_often_as_it_has_crops():
    """Oracle: seconds of each clip, counted from its length."""
    settings = {"crop_seconds": 1.0, "epoch_of": "crops", "batch_size": 5}
    module = SemiSupervisedDataModule(TinySound(variable_lengths=True), **settings)
    module.setup()
    train, lengths = module.rows("train"), module.corpus.sound.lengths
    seconds = {int(row): int(lengths[row] // RATE) for row in train}
    assert len(set(seconds.values())) > 1
    total = sum(seconds.values())
    assert module.steps_per_epoch == -(-total // 5)
    drawn = module.batch_plan().labelled.draw(0, total)
    assert Counter(drawn.tolist()) == seconds


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"b_s": 0.5, "epoch_of": "test"},
            "must be train, labelled, unlabelled or crops, got test",
        ),
        ({"epoch_of": "labelled", "steps_per_epoch": 9}, "no effect beside data.steps_per_epoch=9"),
        ({"b_s": 1.0, "disjoint": True}, "data.disjoint=true is about unlabelled batches"),
        ({"b_s": None, "epoch_of": "unlabelled"}, "data.b_s=null draws none"),
        ({"b_s": 0.5, "p_s": 1.0, "disjoint": True}, "leave none; lower data.p_s"),
        ({"b_s": 0.5, "disjoint": True, "needs": Needs(by_label=True)}, "data.disjoint has no"),
    ],
)
def test_settings_of_the_streams_without_effect_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        datamodule(**settings)
