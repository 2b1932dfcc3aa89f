"""Small corpora of the other kinds of targets, made from Tiny's instances."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from musicssl.data.corpus import Corpus
from tests.support.tiny import Tiny


@dataclass(frozen=True)
class OneClass(Tiny):
    """Each clip has the one class that is active most often in it; some clips have no label."""

    unlabelled: int = 0

    def load(self) -> Corpus:
        corpus = super().load()
        assert corpus.activity is not None
        answer = corpus.activity.sum(axis=1).argmax(axis=1)
        y = np.eye(self.num_classes, dtype=np.float32)[answer]
        x = np.repeat(y[:, None], self.num_instances, axis=1) @ np.eye(
            self.num_classes, self.num_features, dtype=np.float32
        )
        mask = corpus.mask.copy()
        mask[: self.unlabelled] = False
        x = (x + 0.1 * corpus.x).astype(np.float32)
        return dataclasses.replace(
            corpus, x=x, y=y, mask=mask, activity=None, task="multi_class", name="one_class"
        )


@dataclass(frozen=True)
class Values(Tiny):
    """How large the first features of a clip are, on scales of their own; a tenth is not known."""

    def load(self) -> Corpus:
        corpus = super().load()
        means = corpus.x.mean(axis=1)[:, : self.num_classes]
        y = (means * [6.0, -9.0, 3.0][: self.num_classes] + 1).astype(np.float32)
        mask = np.random.default_rng(1).random(y.shape) < 0.9
        return dataclasses.replace(
            corpus, y=y, mask=mask, activity=None, task="regression", name="values"
        )
