import dataclasses

import numpy as np
import pytest
import torch

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.data.teacher import Teacher, TeacherTable
from musicssl.errors import InputError
from tests.support.teacher_table import table_of
from tests.support.tiny import Tiny

NEEDS = Needs(teacher=("embeddings",))


def served(known=None, **settings):
    clips = SemiSupervisedDataModule(Tiny(), batch_size=16, **settings)
    table = table_of(clips.corpus, known=known)
    clips.add_teacher(table)
    clips.serve(NEEDS)
    return clips, table


def by_name(table, name):
    """The slow way."""
    [row] = [row for row, clip_id in enumerate(table.clip_ids) if clip_id == name]
    return torch.from_numpy(table.values[row])


@pytest.mark.parametrize("settings", [{}, {"b_s": 0.25, "p_s": 0.2}, {"num_crops": 2}])
def test_each_clip_of_a_batch_has_the_embedding_of_its_name(settings):
    clips, table = served(**settings)
    for batch in clips.train_dataloader():
        assert batch.teacher_mask is None
        names = clips.corpus.clip_ids[batch.rows.numpy()]
        torch.testing.assert_close(batch.teacher, torch.stack([by_name(table, n) for n in names]))


def test_a_clip_without_an_embedding_is_masked():
    known = np.arange(120) % 3 > 0
    clips, _ = served(known)
    for batch in clips.train_dataloader():
        assert torch.equal(batch.teacher_mask, torch.from_numpy(known[batch.rows.numpy()]))
    values, y, mask = clips.teacher_outputs("train")
    rows = clips.rows("train")[known[clips.rows("train")]]
    assert len(values) == len(y) == len(mask) == len(rows)


def test_batches_of_methods_without_a_teacher_and_validation_batches_have_none():
    clips, _ = served()
    assert next(iter(clips.val_dataloader())).teacher is None
    clips.serve(Needs())
    assert next(iter(clips.train_dataloader())).teacher is None


def test_a_second_corpus_is_matched_by_its_own_names():
    first, second = Tiny(), Renamed()
    clips = SemiSupervisedDataModule(first, b_s=0.5, batch_size=16, unlabelled=second)
    tables = [table_of(corpus.load(), seed=seed) for seed, corpus in enumerate((first, second))]
    values = np.concatenate([table.values for table in tables])
    names = np.concatenate([table.clip_ids for table in tables])
    clips.add_teacher(TeacherTable(values, names, "embeddings", "both"))
    clips.serve(NEEDS)
    batch = next(iter(clips.train_dataloader()))
    assert (batch.rows >= 120).sum() == 8
    for row, value in zip(batch.rows.tolist(), batch.teacher, strict=True):
        table, place = (tables[0], row) if row < 120 else (tables[1], row - 120)
        name = (first if row < 120 else second).load().clip_ids[place]
        torch.testing.assert_close(value, by_name(table, name))


class Renamed(Tiny):
    def load(self):
        corpus = super().load()
        names = np.char.add("other-", corpus.clip_ids)
        return dataclasses.replace(corpus, clip_ids=names, name="other")


def test_of_a_name_in_two_corpora_only_the_first_clip_has_outputs():
    table = TeacherTable(np.eye(2, dtype=np.float32), np.array(["a", "b"]), "embeddings", "t")
    teacher = Teacher(table, ["b", "a", "a"], 3)
    assert teacher.knows(np.arange(3)).tolist() == [True, True, False]
    rows = np.array([2, 0])
    batch = teacher.added_to(Batch(torch.zeros(2, 1, 1), torch.zeros(2, 3), torch.ones(2, 3)), rows)
    assert batch.teacher_mask.tolist() == [False, True]
    assert batch.teacher[1].tolist() == [0, 1]


def test_what_does_not_fit_is_refused():
    corpus = Tiny().load()
    clips = SemiSupervisedDataModule(Tiny())
    wrong = table_of(corpus)
    with pytest.raises(InputError, match=r"has 6 values .* must be the 3 of the corpus's classes"):
        clips.add_teacher(TeacherTable(wrong.values, wrong.clip_ids, "logits", "t.npz"))
    names = np.char.add("x", wrong.clip_ids)
    with pytest.raises(InputError, match=r"none of the 120 clips .* 'xtiny-\d+'.* 'tiny-000'"):
        clips.add_teacher(TeacherTable(wrong.values, names, "embeddings", "t.npz"))
    with pytest.raises(InputError, match="has no training clip of tiny"):
        clips.add_teacher(table_of(corpus, known=corpus.split == "test"))
    with pytest.raises(InputError, match=r"teacher_embeddings=FILE\.$"):
        clips.serve(NEEDS)
    with pytest.raises(InputError, match=r"finetune\.teacher=FILE"):
        clips.serve(Needs(teacher=("embeddings", "logits")))
    clips.add_teacher(table_of(corpus, kind="logits"))
    with pytest.raises(InputError, match=r"learns from embeddings, but teacher\.npz gives logits"):
        clips.serve(NEEDS)
