import numpy as np
import pytest

from musicssl.data.checks import check_corpus
from musicssl.data.corpus import embedded_corpus
from tests.support.tiny import Tiny
from tests.support.tiny_sound import TinySound


@pytest.mark.parametrize("corpus", [Tiny(40, variable_lengths=True).load(), TinySound(40).load()])
def test_each_clip_keeps_all_that_is_known_of_it_and_becomes_one_instance(corpus):
    h = np.random.default_rng(0).random((40, 6), np.float32)
    embedded = check_corpus(embedded_corpus(corpus, h))
    assert embedded.x.shape == (40, 1, 6)
    assert np.shares_memory(embedded.x, h)
    np.testing.assert_array_equal(embedded.x[:, 0], h)
    assert embedded.lengths is None
    assert embedded.activity is None
    for name in ("name", "classes", "y", "mask", "split", "clip_ids", "task", "groups", "credit"):
        assert getattr(embedded, name) is getattr(corpus, name)
