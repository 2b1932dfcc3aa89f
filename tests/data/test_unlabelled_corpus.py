import dataclasses
import logging

import numpy as np
import pytest
import torch

from musicssl.data.needs import Needs
from musicssl.errors import InputError
from tests.support.serving import datamodule
from tests.support.tiny import Tiny
from tests.support.tiny_sound import TinySound


def test_unlabelled_clips_come_from_the_second_corpus():
    other = Tiny(num_clips=40, seed=9)
    module = datamodule(b_s=0.25, unlabelled=other)
    theirs = {x.tobytes() for x in other.load().x[other.load().split == "train"]}
    seen = set()
    for batch in module.train_dataloader():
        assert batch.mask.any(dim=1).tolist() == [True] * 4 + [False] * 12
        mine = torch.from_numpy(module.corpus.x[batch.rows[:4]])
        assert torch.equal(batch.x[:4], mine)
        seen |= {x.numpy().tobytes() for x in batch.x[4:]}
    assert seen == theirs
    assert len(module.clips("test").x) == 24


def test_a_second_corpus_of_another_kind_is_refused():
    with pytest.raises(InputError, match="have different features"):
        datamodule(b_s=0.5, unlabelled=TinySound())


def test_a_second_corpus_without_training_clips_is_refused():
    with pytest.raises(InputError, match="no training clips"):
        datamodule(b_s=0.5, unlabelled=OnlyTest())


class OnlyTest(Tiny):
    def load(self):
        corpus = super().load()
        return dataclasses.replace(corpus, split=np.full(len(corpus.split), "test"))


def test_damaged_clips_of_a_second_corpus_are_refused():
    class Damaged(Tiny):
        def load(self):
            corpus = super().load()
            corpus.x[3, 0, 0] = np.nan
            return corpus

    with pytest.raises(InputError, match=r"tiny-003.*NaN"):
        datamodule(b_s=0.5, unlabelled=Damaged())


def test_strong_labels_of_a_second_corpus_are_not_looked_at():
    module = datamodule(
        TinySound(),
        b_s=0.5,
        crop_seconds=2.0,
        needs=Needs(activity=True),
        unlabelled=TinySound(seed=1),
    )
    for batch in module.train_dataloader():
        assert batch.activity[:8].any()
        assert not batch.activity[8:].any()


def sourced(corpus, sources):
    return dataclasses.replace(corpus, sources=np.array(sources))


@dataclasses.dataclass(frozen=True)
class Sourced(Tiny):
    """Clips that say which recordings they are of: every other one of the first 80."""

    first: int = 0

    def load(self):
        corpus = super().load()
        return sourced(corpus, [f"tape {self.first + 2 * i}" for i in range(self.num_clips)])


def test_what_is_held_out_never_trains_as_an_unlabelled_clip(caplog):
    """Also where the validation set is carved out of the training clips."""
    with caplog.at_level(logging.INFO):
        module = datamodule(
            Sourced(num_clips=60, validation=False),
            b_s=0.5,
            unlabelled=Sourced(num_clips=60, first=40, seed=9),
        )
    held_out = {f"tape {2 * i}" for split in ("val", "test") for i in module.rows(split)}
    theirs = module.unlabelled.load()
    loader = module.train_dataloader()
    drawn = {
        str(theirs.sources[row - 60])
        for batch in (batch for _ in range(4) for batch in loader)
        for row in batch.rows[8:].tolist()
    }
    everything = set(theirs.sources[theirs.split == "train"].tolist())
    assert everything & held_out
    assert drawn == everything - held_out
    left_out = len(everything & held_out)
    assert f"left out because they validate or test in tiny: {left_out}" in caplog.text


def test_a_second_corpus_that_is_never_drawn_from_is_refused():
    with pytest.raises(InputError, match=r"no clip of unlabelled=\.\.\. is drawn with data\.b_s=1"):
        datamodule(unlabelled=Tiny(seed=1))


def test_mistakes_about_the_second_corpus_name_its_settings():
    class Lost(Tiny):
        def prepare(self):
            raise InputError("set data.root or dataset.test_fold=1, not data.b_s.")

    with pytest.raises(InputError) as caught:
        datamodule(b_s=0.5, unlabelled=Lost())
    assert str(caught.value) == (
        "the unlabelled corpus (unlabelled=...): set unlabelled.root or unlabelled.test_fold=1, "
        "not data.b_s."
    )
