"""The data module on instances: which clips and labels are in batches, what is refused."""

import dataclasses

import numpy as np
import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.label_count import count_labels
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from tests.support.serving import Altered, datamodule
from tests.support.tiny import Tiny
from tests.support.tiny_sound import TinySound


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


@pytest.mark.parametrize("ask", ["labels", "clips", "rows"])
def test_what_is_asked_for_first_sets_the_data_module_up(ask):
    """Oracle: the same question after setup."""
    first, later = (SemiSupervisedDataModule(Tiny(), p_s=0.5) for _ in range(2))
    later.setup()
    for found, expected in zip(getattr(first, ask)("val"), getattr(later, ask)("val"), strict=True):
        if expected is not None:
            np.testing.assert_array_equal(found, expected)
