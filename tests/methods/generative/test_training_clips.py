"""Training clips in memory: each model's rows with its own answers."""

import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL
from musicssl.methods.generative.summary import ClipSummary
from musicssl.methods.generative.training_clips import TrainingClips, answer_shares, answers
from tests.support.kinds import OneClass
from tests.support.tiny import Tiny


def in_memory(corpus, task, **settings):
    datamodule = SemiSupervisedDataModule(corpus, batch_size=16, **settings)
    summary = ClipSummary(8, 5)
    batches = datamodule.batches_of(datamodule.training_rows())
    summary.fit(batches)
    return TrainingClips(batches, summary, task, torch.device("cpu")), datamodule, summary


@pytest.mark.parametrize("variable_lengths", [False, True])
def test_rows_of_each_model_have_their_features_and_its_own_answers(variable_lengths):
    corpus = Tiny(variable_lengths=variable_lengths)
    clips, datamodule, summary = in_memory(corpus, MULTI_LABEL, p_s=0.6, p_cells=0.5)
    train = datamodule.rows("train")
    rows = torch.from_numpy(train)[torch.randint(len(train), (3, 10))]  # (M, B)
    found = clips.of(rows)
    everything = datamodule.clips("train")
    for model in range(3):
        for b, row in enumerate(rows[model].tolist()):
            place = train.tolist().index(row)
            clip = everything.select(torch.tensor([place]))
            torch.testing.assert_close(found.x[model, b], summary.of(clip)[0])
            known = bool(clip.mask[0, model])
            assert bool(found.known[model, b]) == known
            if known:
                assert found.y[model, b] == clip.y[0, model]
    assert found.known.any()
    assert not found.known.all()


def test_a_clip_with_one_class_has_one_answer():
    clips, datamodule, _ = in_memory(OneClass(unlabelled=40), MULTI_CLASS)
    rows = torch.from_numpy(datamodule.rows("train"))[None]
    found, everything = clips.of(rows), datamodule.clips("train")
    assert torch.equal(found.y[0], everything.y.argmax(dim=1))
    assert torch.equal(found.known[0], everything.mask[:, 0])


def test_clips_of_a_second_corpus_have_places_of_their_own():
    settings = {"unlabelled": Tiny(num_clips=40, seed=7), "b_s": 0.5}
    clips, datamodule, summary = in_memory(Tiny(), MULTI_LABEL, **settings)
    row = datamodule.training_rows()[-1]
    assert row >= 120
    found = clips.of(torch.tensor([[row]] * 3))
    expected = Tiny(num_clips=40, seed=7).load().x[row - 120]
    torch.testing.assert_close(found.x[1, 0], summary(torch.from_numpy(expected)[None])[0])
    assert not found.known.any()


def test_targets_count_as_present_from_a_half_up():
    datamodule = SemiSupervisedDataModule(Tiny())
    datamodule.setup()
    batch = datamodule.clips("train")
    batch.y[:4, 0] = torch.tensor([0.0, 0.49, 0.5, 1.0])
    y, known = answers(batch, MULTI_LABEL)
    assert y[:4, 0].tolist() == [0, 0, 1, 1]
    assert known.all()


def test_shares_are_of_known_answers_each_counted_once_more():
    nan = torch.nan
    targets = torch.tensor([[1.0, nan], [0.0, nan], [1.0, nan], [nan, 1.0]])
    mask = torch.tensor([[1, 0], [1, 0], [1, 0], [0, 0]]).bool()
    found = answer_shares(targets, mask, MULTI_LABEL)
    torch.testing.assert_close(found, torch.tensor([[2 / 5, 3 / 5], [1 / 2, 1 / 2]]))

    targets = torch.tensor([[0, 1, 0], [0, 1, 0], [1, 0, 0], [nan, nan, nan]])
    mask = torch.tensor([True, True, True, False])[:, None].expand(4, 3)
    found = answer_shares(targets, mask, MULTI_CLASS)
    torch.testing.assert_close(found, torch.tensor([[2 / 6, 3 / 6, 1 / 6]]))
