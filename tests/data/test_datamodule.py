import dataclasses
from collections import Counter
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.label_batches import LabelRows
from musicssl.data.label_count import count_labels
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.runs.messages import describe_data
from musicssl.runs.resume import ResumeCheckpoint
from tests.support.interrupted import Stop
from tests.support.kinds import OneClass, Values
from tests.support.serving import datamodule
from tests.support.tiny import Tiny
from tests.support.tiny_sound import RATE, TinySound
from tests.support.training import quiet_trainer


def rank_of(**position):
    """Stands for a trainer of several processes."""
    return SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cpu")), **position)


@pytest.mark.parametrize(("b_s", "labelled"), [(0, 0), (0.25, 4), (0.5, 8), (1, 16)])
def test_every_batch_holds_exactly_the_labelled_clips_asked_for(b_s, labelled):
    module = datamodule(p_s=0.1, b_s=b_s)
    for batch in module.train_dataloader():
        assert len(batch.x) == 16
        assert batch.mask.any(dim=1).tolist() == [True] * labelled + [False] * (16 - labelled)


@pytest.mark.parametrize("p_s", [0.02, 0.1, 1.0])
def test_an_epoch_has_the_same_number_of_steps_at_every_p_s(p_s):
    module = datamodule(p_s=p_s)
    assert len(module.train_dataloader()) == len(list(module.train_dataloader())) == 6  # 84 / 16


def test_batches_hold_the_rows_of_the_corpus():
    module = datamodule(p_s=0.5, b_s=0.5)
    corpus = module.corpus
    loader = module.train_dataloader()
    clips = loader.plan.clips(0, 0)
    batch = next(iter(loader))
    assert torch.equal(batch.x, torch.from_numpy(corpus.x[clips]))
    assert torch.equal(batch.y, torch.from_numpy(corpus.y[clips]))


def test_labelled_clips_come_from_the_training_split_and_nest_over_p_s():
    small, large = datamodule(p_s=0.1, seed=5), datamodule(p_s=0.3, seed=5)
    seen = [
        {i for step in range(6) for i in m.batch_plan().clips(0, step).tolist()}
        for m in (small, large)
    ]
    assert len(seen[0]) == round(0.1 * 84)
    assert seen[0] < seen[1] <= set(small.rows("train").tolist())


def test_hidden_labels_are_hidden_everywhere_but_the_test_is_untouched():
    module = datamodule(p_s=0.1, b_s=0.5)
    assert int(module.clips("train").mask.any(dim=1).sum()) == 8
    assert module.clips("val").mask.all()
    assert module.clips("test").mask.all()
    assert module.corpus.mask.all()  # the corpus itself is not written to


def test_openmic_like_labels_hide_cells_of_train_and_val_only():
    module = datamodule(Tiny(num_classes=10), p_cells=0.2)
    assert (module.clips("train").mask.sum(dim=1) == 2).all()
    assert (module.clips("val").mask.sum(dim=1) == 2).all()
    assert module.clips("test").mask.all()


def test_one_stream_of_all_clips_shows_each_once_with_what_is_known():
    module = datamodule(p_s=0.5, b_s=None, batch_size=12)
    batches = list(module.train_dataloader())
    assert torch.equal(
        torch.cat([b.x for b in batches]).sum((1, 2)).sort().values,
        module.clips("train").x.sum((1, 2)).sort().values,
    )
    assert int(torch.cat([b.mask for b in batches]).any(dim=1).sum()) == 42


def test_carved_validation_is_the_same_for_every_seed():
    runs = [datamodule(Tiny(validation=False), seed=seed, p_s=0.5) for seed in (0, 1)]
    assert np.array_equal(runs[0].rows("val"), runs[1].rows("val"))
    assert len(runs[0].rows("val")) == round(0.15 * 96)
    assert not set(runs[0].rows("val")) & set(runs[0].rows("train"))
    assert not torch.equal(runs[0].clips("train").mask, runs[1].clips("train").mask)


def test_validation_sees_each_clip_once_in_order():
    module = datamodule()
    batches = list(module.val_dataloader())
    assert torch.equal(torch.cat([b.x for b in batches]), module.clips("val").x)


def test_lengths_travel_with_their_clips():
    module = datamodule(Tiny(variable_lengths=True))
    loader = module.train_dataloader()
    batch = next(iter(loader))
    lengths = module.corpus.lengths[loader.plan.clips(0, 0)]
    assert batch.lengths.tolist() == lengths.tolist()


def test_two_iterations_outside_lightning_are_two_epochs():
    loader = datamodule().train_dataloader()
    first, second = list(loader), list(loader)
    assert not torch.equal(first[0].x, second[0].x)


def test_p_s_zero_with_labelled_batches_is_refused():
    with pytest.raises(InputError, match=r"p_s=0 leaves no labelled clip.*b_s=0"):
        datamodule(p_s=0.0, b_s=0.5)
    assert not next(iter(datamodule(p_s=0.0, b_s=0.0).train_dataloader())).mask.any()


def test_a_corpus_without_test_clips_is_refused():
    class Untested(Tiny):
        def load(self):
            corpus = super().load()
            split = np.where(corpus.split == "test", "train", corpus.split)
            return dataclasses.replace(corpus, split=split)

    with pytest.raises(InputError, match="no clip is in the test split"):
        datamodule(Untested())


def test_lost_classes_are_named_with_the_cure():
    module = datamodule(Tiny(num_clips=400, num_classes=8), p_s=0.005)
    text = str(count_labels(module))
    beginning = "1 of 280 training clips keep labels. Classes that cannot be learnt from them: a, b"
    assert text.startswith(beginning)
    assert "data.stratified=true" in text


class Altered(Tiny):
    """A tiny corpus after a change to its arrays."""

    def __init__(self, change, **settings):
        super().__init__(**settings)
        object.__setattr__(self, "change", change)

    def load(self):
        corpus = super().load()
        return dataclasses.replace(corpus, **self.change(corpus))


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_without_labels_to_measure_by_is_refused(split):
    def unlabel(corpus):
        return {"mask": corpus.mask & (corpus.split != split)[:, None]}

    with pytest.raises(InputError, match=f"no clip of the {split} split has a label"):
        datamodule(Altered(unlabel))


def test_carving_takes_labelled_clips_and_frees_no_member_of_their_groups():
    def unlabel_half_of_each_group(corpus):
        groups = (np.arange(len(corpus.x)) // 4).astype(str)
        labelled = np.arange(len(corpus.x)) % 2 == 0
        return {"groups": groups, "mask": corpus.mask & labelled[:, None]}

    module = datamodule(Altered(unlabel_half_of_each_group, validation=False, num_clips=400))
    train, val = module.rows("train"), module.rows("val")
    assert module.labels("val")[1].all()
    assert not set(module.corpus.groups[train]) & set(module.corpus.groups[val])
    assert 0.1 < len(val) / (len(val) + module.labels("train")[1].any(1).sum()) < 0.2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "data.batch_size must be a whole number from 1 up, got 0"),
        ({"num_crops": 0}, "data.num_crops must be a whole number from 1 up, got 0"),
        ({"p_s": "all"}, "data.p_s must be a number, got 'all'"),
        ({"p_s": None}, "data.p_s must be a number, got None"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_named(settings, message):
    with pytest.raises(InputError, match=message):
        datamodule(**settings)


def test_crops_of_sound_are_a_function_of_seed_epoch_and_step():
    def crops(epochs, **settings):
        module = datamodule(TinySound(), crop_seconds=1.0, **settings)
        loader = module.train_dataloader()
        return [batch.x for _ in range(epochs) for batch in loader]

    first, again = crops(2), crops(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[0].shape == (16, RATE)
    assert not torch.equal(first[0], crops(1, seed=1)[0])


def test_each_crop_is_a_second_of_its_recording():
    module = datamodule(TinySound(), crop_seconds=1.0)
    recordings = module.corpus.x.recordings
    for batch in module.train_dataloader():
        for row, x in zip(batch.rows.tolist(), batch.x, strict=True):
            stretches = np.lib.stride_tricks.sliding_window_view(recordings[row], RATE)
            assert (stretches == x.numpy()).all(axis=1).sum() == 1


def test_whole_recordings_are_validated_and_tested():
    module = datamodule(TinySound(variable_lengths=True), crop_seconds=1.0)
    rows = module.rows("test")
    batch = next(iter(module.batches("test")))
    assert batch.rows.tolist() == rows.tolist()
    assert batch.lengths.tolist() == module.corpus.x.lengths[rows].tolist()
    for row, x, length in zip(rows, batch.x, batch.lengths, strict=True):
        assert np.array_equal(x[:length].numpy(), module.corpus.x.recordings[row])
        assert not x[length:].any()


def test_the_sizes_of_sound_are_those_of_a_crop():
    module = datamodule(TinySound(), crop_seconds=1.5)
    assert module.sizes["num_features"] == 1
    assert module.sizes["num_instances"] == 1.5 * RATE


@pytest.mark.parametrize("dataset", [Tiny(variable_lengths=True), TinySound(variable_lengths=True)])
def test_strong_labels_are_those_of_what_the_batch_holds(dataset):
    """The slow way: what of the activity belongs to the place where the crop is found."""
    module = datamodule(dataset, crop_seconds=2.0, needs=Needs(activity=True))
    corpus = module.corpus
    for batch in module.train_dataloader():
        for row, x, activity in zip(batch.rows.tolist(), batch.x, batch.activity, strict=True):
            start = 0
            if isinstance(dataset, TinySound):
                recording = corpus.x.recordings[row]
                start = next(
                    s
                    for s in range(len(recording) // RATE)
                    if np.array_equal(recording[s * RATE :][: 2 * RATE], x.numpy())
                )
            expected = corpus.activity[row, start:][: len(activity)]
            assert np.array_equal(activity[: len(expected)].numpy(), expected)
            assert not activity[len(expected) :].any()
    for batch in module.batches("val"):
        assert np.array_equal(batch.activity.numpy(), corpus.activity[batch.rows])


def test_without_strong_labels_a_batch_has_none():
    assert next(iter(datamodule().train_dataloader())).activity is None


def test_crops_are_the_same_on_any_number_of_ranks():
    def crops(rank, world_size, batch_size):
        module = datamodule(TinySound(), crop_seconds=1.0, batch_size=batch_size)
        module.trainer = rank_of(
            global_rank=rank, world_size=world_size, current_epoch=0, datamodule=module
        )
        return [batch.x for batch in module.train_dataloader()]

    alone = crops(0, 1, 14)
    shared = zip(crops(0, 2, 7), crops(1, 2, 7), strict=True)
    assert len(alone) == 3
    for whole, parts in zip(alone, shared, strict=True):
        assert torch.equal(whole, torch.cat(parts))


def test_a_clip_is_cropped_at_another_place_each_time():
    module = datamodule(TinySound(num_clips=20), crop_seconds=0.5)
    recordings = module.corpus.x.recordings
    loader, starts = module.train_dataloader(), {}
    for batch in (batch for _ in range(6) for batch in loader):
        for row, x in zip(batch.rows.tolist(), batch.x.numpy(), strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(recordings[row], len(x))
            start = int(np.abs(windows - x).max(axis=1).argmin())
            starts.setdefault(row, set()).add(start)
    assert min(len(places) for places in starts.values()) > 1


def test_the_crops_of_a_clip_follow_each_other_with_its_labels():
    module = datamodule(TinySound(), b_s=0.5, batch_size=8, crop_seconds=1.0, num_crops=3)
    corpus = module.corpus
    for batch in module.train_dataloader():
        clips = batch.rows.view(8, 3)
        assert (clips == clips[:, :1]).all()
        assert batch.mask.any(dim=1).tolist() == [True] * 12 + [False] * 12
        assert np.array_equal(batch.y, corpus.y[batch.rows])
        for row, crop in zip(batch.rows.tolist(), batch.x.numpy(), strict=True):
            stretches = np.lib.stride_tricks.sliding_window_view(corpus.x.recordings[row], RATE)
            assert (stretches == crop).all(axis=1).any()


def test_crops_of_instances_are_copies():
    module = datamodule(batch_size=7, num_crops=2)
    batch = next(iter(module.train_dataloader()))
    assert len(batch.x) == 14
    assert torch.equal(batch.x[::2], batch.x[1::2])


def test_labelled_clips_can_be_had_in_part():
    module = datamodule(p_s=0.5)
    every = module.labelled()
    assert np.array_equal(every, module.rows("train")[module.labels("train")[1].any(dim=1)])
    some = module.labelled(10)
    assert len(some) == len(np.intersect1d(some, every)) == 10
    assert not np.array_equal(some, every[:10])  # a corpus may be in order of its classes
    assert np.array_equal(datamodule(p_s=0.5).labelled(10), some)
    other = datamodule(p_s=0.5, seed=1)
    other._subsets = dataclasses.replace(other.subsets, labelled=every)  # which the seed draws, too
    assert not np.array_equal(other.labelled(10), some)
    assert np.array_equal(module.labelled(10_000), every)
    loaded = np.concatenate([batch.rows for batch in module.batches_of(some)])
    assert np.array_equal(loaded, some)


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


@pytest.mark.parametrize(
    ("settings", "needs", "said"),
    [
        ({"b_s": 0}, Needs(), r"data\.b_s=0 hides the labels that this method needs; raise it"),
        ({"b_s": None}, Needs(only_labelled=True), r"data\.b_s=null draws others; set data\.b_s=1"),
        ({"num_crops": 1}, Needs(crops=2), r"data\.num_crops=1; set it to 2"),
        ({"b_s": 0}, Needs(by_label=True), "each label separately"),
    ],
)
def test_needs_that_settings_do_not_meet_are_named_whenever_they_are_told(settings, needs, said):
    with pytest.raises(InputError, match=said):
        datamodule(**settings, needs=needs)
    module = datamodule(**settings)
    with pytest.raises(InputError, match=said):
        module.serve(needs)


def test_what_a_method_needs_is_served_as_if_it_had_been_known_from_the_start():
    needs = Needs(activity=True, crops=2)
    early = datamodule(TinySound(), crop_seconds=2.0, needs=needs)
    late = datamodule(TinySound(), crop_seconds=2.0)
    assert late.num_crops == 1
    late.serve(needs)
    assert late.num_crops == 2
    for one, other in zip(early.train_dataloader(), late.train_dataloader(), strict=True):
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.activity, other.activity)


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


@pytest.mark.parametrize("dataset", [Tiny, TinySound])
def test_training_rows_can_be_read_of_both_corpora(dataset):
    first, second = dataset(), dataset(num_clips=40, seed=9)
    module = datamodule(first, p_s=0.5, b_s=0.5, unlabelled=second)
    rows = module.training_rows()
    corpora, count = (first.load(), second.load()), first.num_clips
    expected = [*corpora[0].indices("train"), *(count + corpora[1].indices("train"))]
    assert rows.tolist() == expected
    batches = list(module.batches_of(rows))
    assert np.concatenate([batch.rows for batch in batches]).tolist() == expected
    known = dict(zip(module.rows("train").tolist(), module.labels("train")[1], strict=True))
    for batch in batches:
        for place, row in enumerate(batch.rows.tolist()):
            corpus, own = (corpora[0], row) if row < count else (corpora[1], row - count)
            x = corpus.x[own] if dataset is Tiny else corpus.x.recordings[own]
            length = len(x) if batch.lengths is None else batch.lengths[place]
            assert length == len(x)
            assert np.array_equal(batch.x[place][:length], x)
            expected_mask = known[row] if row < count else torch.zeros(3, dtype=torch.bool)
            assert torch.equal(batch.mask[place], expected_mask)


def test_training_rows_of_one_corpus_are_its_training_clips():
    module = datamodule()
    assert np.array_equal(module.training_rows(), module.rows("train"))


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


@pytest.mark.parametrize("ask", ["labels", "clips", "rows"])
def test_what_is_asked_for_first_sets_the_data_module_up(ask):
    """Oracle: the same question after setup."""
    first, later = (SemiSupervisedDataModule(Tiny(), p_s=0.5) for _ in range(2))
    later.setup()
    for found, expected in zip(getattr(first, ask)("val"), getattr(later, ask)("val"), strict=True):
        if expected is not None:
            np.testing.assert_array_equal(found, expected)


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
