"""A corpus that is in memory already, where a dataset is asked for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicssl.corpus import Corpus
from musicssl.errors import InputError


@dataclass(frozen=True, eq=False)
class LoadedCorpus:
    """A `Dataset` that hands over one corpus.

    Attributes:
        corpus: To hand over.
    """

    corpus: Corpus

    def prepare(self) -> None:
        """Nothing is derived."""

    def load(self) -> Corpus:
        """Return the corpus."""
        return self.corpus

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Refuse: whoever loaded the corpus knows its sound.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{clip_id}: this corpus is in memory; ask the dataset that it came from.")
