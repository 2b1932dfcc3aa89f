"""Batches that are gathered on the device, against those that are gathered from arrays."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import musicssl.data.resident as resident
from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.data.resident import ResidentLoader, is_resident, size_of
from musicssl.errors import InputError
from musicssl.methods.att import AttentionMIL
from musicssl.methods.mean_teacher import MeanTeacher
from tests.support.interrupted import check_resuming
from tests.support.kinds import OneClass, Values
from tests.support.latents import MELODIES
from tests.support.serving import datamodule
from tests.support.teacher_table import table_of
from tests.support.tiny import Tiny
from tests.support.tiny_sound import TinySound
from tests.support.training import quiet_trainer, semi_supervised_parts, supervised_parts

CPU = torch.device("cpu")
STRONG = Needs(activity=True)
MODES = {
    "labelled": {},
    "few_labels": {"p_s": 0.3, "b_s": 0.25},
    "no_labels": {"b_s": 0.0},
    "all_as_they_are": {"p_s": 0.5, "b_s": None},
    "disjoint": {"p_s": 0.3, "b_s": 0.5, "disjoint": True, "epoch_of": "unlabelled"},
    "missing_labels": {"p_cells": 0.5, "drop_labels": 0.3, "missing": "negative"},
    "some_unlabelled": {"p_s": 0.3, "b_s": 0.5, "u_s": 0.5},
    "crops": {"p_s": 0.5, "b_s": 0.5, "num_crops": 2},
    "few_validating": {"val_labels": 4, "dataset": Tiny(validation=False)},
    "lengths": {"b_s": 0.5, "dataset": Tiny(variable_lengths=True)},
    "one_class": {"b_s": 0.5, "p_s": 0.5, "dataset": OneClass(unlabelled=20)},
    "values": {"b_s": 0.5, "p_s": 0.5, "dataset": Values()},
    "tokens": {"b_s": None, "dataset": MELODIES, "needs": Needs(labels=False, tokens=True)},
    "in_time": {"b_s": 0.5, "p_s": 0.5, "needs": STRONG},
    "second_corpus": {"b_s": 0.25, "unlabelled": Tiny(seed=1)},
    "shorter_second": {"b_s": 0.25, "unlabelled": Tiny(seed=1, num_instances=3), "needs": STRONG},
    "longer_second": {"b_s": 0.25, "unlabelled": Tiny(seed=1, num_instances=7), "num_crops": 2},
    "only_second": {"b_s": 0.0, "unlabelled": Tiny(seed=1, num_instances=3)},
    "lengths_of_second": {"b_s": 0.5, "unlabelled": Tiny(seed=1, variable_lengths=True)},
}


def assert_same(found: Batch, expected: Batch) -> None:
    for name, ours, theirs in zip(Batch._fields, found, expected, strict=True):
        assert (ours is None) == (theirs is None), name
        if ours is not None:
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), name
            assert torch.equal(ours, theirs), name


def assert_same_batches(ordinary, on_device, epochs=2):
    pairs = [
        (on_device.train_dataloader(), ordinary.train_dataloader(), epochs),
        (on_device.val_dataloader(), ordinary.val_dataloader(), 1),
        (on_device.test_dataloader(), ordinary.test_dataloader(), 1),
    ]
    for ours, theirs, passes in pairs:
        assert type(ours) is not type(theirs)
        assert len(ours) == len(theirs)
        for _ in range(passes):
            for found, expected in zip(ours, theirs, strict=True):
                assert_same(found, expected)


@pytest.mark.parametrize("mode", MODES)
def test_batches_are_those_of_arrays_to_the_bit(mode):
    assert_same_batches(
        datamodule(**MODES[mode], resident=False), datamodule(**MODES[mode], resident=True)
    )


@pytest.mark.parametrize("known", [None, np.arange(120) % 3 > 0])
def test_outputs_of_a_teacher_come_with_the_clips(known):
    modules = [
        datamodule(p_s=0.5, b_s=0.5, needs=Needs(), resident=resident) for resident in (False, True)
    ]
    for module in modules:
        module.add_teacher(table_of(module.corpus, known=known))
        module.serve(Needs(teacher=("embeddings",)))
    batch = next(iter(modules[1].train_dataloader()))
    assert (batch.teacher_mask is None) == (known is None)
    assert_same_batches(*modules)


def test_batches_by_label_are_those_of_arrays():
    needs = Needs(by_label=True)
    loaders = [
        datamodule(p_s=0.5, b_s=0.5, needs=needs, resident=resident).train_dataloader()
        for resident in (False, True)
    ]
    for _ in range(2):
        for ours, theirs in zip(*loaders, strict=True):
            assert torch.equal(ours.labelled, theirs.labelled)
            assert torch.equal(ours.unlabelled, theirs.unlabelled)


def test_a_long_epoch_is_planned_in_parts(monkeypatch):
    monkeypatch.setattr(resident, "_CLIPS_PLANNED", 40)  # two steps of 16 clips
    assert_same_batches(
        datamodule(p_s=0.3, b_s=0.25, resident=False), datamodule(p_s=0.3, b_s=0.25, resident=True)
    )


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_draw_the_clips_that_they_would(rank):
    modules = []
    for value in (False, True):
        module = datamodule(p_s=0.3, b_s=0.25, resident=value)
        module.trainer = SimpleNamespace(
            global_rank=rank,
            world_size=2,
            current_epoch=3,
            strategy=SimpleNamespace(root_device=CPU),
        )
        modules.append(module)
    assert_same_batches(*modules, epochs=1)


def test_a_loader_goes_on_within_an_epoch():
    module = datamodule(p_s=0.3, b_s=0.25, resident=True)
    expected = list(module.train_dataloader())[4:]
    loader = module.train_dataloader()
    loader.load_state_dict({"epoch": 0, "step": 4})
    for found, batch in zip(loader, expected, strict=True):
        assert_same(found, batch)


def weights(folder, method, value, **settings):
    torch.manual_seed(0)
    data = datamodule(p_s=0.5, resident=value, **settings)
    subject = method()
    quiet_trainer(folder, max_epochs=2).fit(subject, data)
    return subject.state_dict()


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        (lambda: AttentionMIL(**supervised_parts()), {}),
        (lambda: MeanTeacher(**semi_supervised_parts()), {"b_s": 0.5}),
    ],
)
def test_training_is_the_same_to_the_bit(tmp_path, method, settings):
    ours = weights(tmp_path, method, True, **settings)
    theirs = weights(tmp_path, method, False, **settings)
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name


def seeded_mean_teacher():
    torch.manual_seed(0)
    return MeanTeacher(**semi_supervised_parts())


@pytest.mark.slow
@pytest.mark.parametrize(("epoch", "step"), [(1, 2), (1, None)])
def test_a_stopped_run_goes_on_to_the_bit(tmp_path, epoch, step):
    check_resuming(
        tmp_path,
        seeded_mean_teacher,
        lambda: datamodule(p_s=0.5, b_s=0.5, resident=True),
        max_epochs=3,
        epoch=epoch,
        step=step,
    )


def test_memory_is_freed_after_training(tmp_path):
    data = datamodule(resident=True)
    quiet_trainer(tmp_path).fit(AttentionMIL(**supervised_parts()), data)
    assert data._on_device is None


def test_the_batches_of_a_new_need_hold_it():
    module = datamodule(resident=True)
    assert next(iter(module.train_dataloader())).activity is None
    module.serve(STRONG)
    assert next(iter(module.train_dataloader())).activity is not None


def test_without_a_gpu_arrays_stay_where_they_are_unless_it_is_asked():
    assert not isinstance(datamodule().train_dataloader(), ResidentLoader)
    assert isinstance(datamodule(resident=True).train_dataloader(), ResidentLoader)


@pytest.mark.parametrize("value", ["yes", None, 1.5])
def test_other_values_are_refused(value):
    with pytest.raises(InputError, match="resident must be auto, true or false"):
        datamodule(resident=value)


def test_sound_is_not_kept_on_the_device():
    assert next(iter(datamodule(TinySound(), crop_seconds=1.0).train_dataloader())).x.ndim == 2
    module = datamodule(TinySound(), crop_seconds=1.0, resident=True)
    with pytest.raises(InputError, match="the clips are sound"):
        module.train_dataloader()


@pytest.mark.parametrize(
    ("setting", "free", "expected"), [("auto", 201, True), ("auto", 199, False), (True, 150, True)]
)
def test_a_gpu_keeps_what_takes_half_of_its_free_memory(monkeypatch, setting, free, expected):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1000))
    assert is_resident(setting, 100, torch.device("cuda")) is expected


def test_more_than_a_gpu_has_room_for_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5e9, 8e9))
    with pytest.raises(InputError, match=r"9\.0 GB of clips on the GPU, which has 5\.0 GB"):
        is_resident(True, int(9e9), torch.device("cuda"))


@dataclass
class Width:
    width: int


def test_the_size_is_that_of_the_tensors():
    corpora = [Tiny().load(), Tiny(seed=1).load()]
    module = datamodule(b_s=0.5, unlabelled=Tiny(seed=1), needs=STRONG, resident=True)
    module._resident_on()
    clips = module._resident_clips()
    held = [t for table in clips for t in (table.x, table.activity)]
    assert size_of(corpora, None, True) == sum(t.numel() * t.element_size() for t in held)
    assert size_of(corpora, Width(6), False) == 2 * 120 * (5 * 8 + 6) * 4
    assert size_of([TinySound().load()], None, False) is None
