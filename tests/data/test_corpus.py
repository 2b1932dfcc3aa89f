import json
from dataclasses import replace

import numpy as np
import pytest

from tests.support.tiny import Tiny
from tests.support.tiny_sound import ArraySound, TinySound


@pytest.fixture(params=[Tiny(20, variable_lengths=True), TinySound(20, variable_lengths=True)])
def corpus(request):
    return request.param.load()


def other_input(corpus):
    """The same clips, one number of one of them changed by its last bit."""
    if isinstance(corpus.x, np.ndarray):
        x = corpus.x.copy()
        x[3, 1, 2] = np.nextafter(x[3, 1, 2], 9)
        return replace(corpus, x=x)
    recordings = [recording.copy() for recording in corpus.x.recordings]
    recordings[3][5] = np.nextafter(recordings[3][5], 9, dtype=np.float32)
    return replace(corpus, x=ArraySound(recordings))


def test_it_is_the_same_for_the_same_clips_and_fits_into_json(corpus):
    again = (Tiny if isinstance(corpus.x, np.ndarray) else TinySound)(20, variable_lengths=True)
    identity = corpus.clip_identity()
    assert again.load().clip_identity() == identity
    assert json.loads(json.dumps(identity)) == identity


def test_labels_and_splits_do_not_matter(corpus):
    test = np.full(20, "test")
    other = replace(corpus, y=1 - corpus.y, mask=~corpus.mask, split=test, classes=("x", "y", "z"))
    assert other.clip_identity() == corpus.clip_identity()


def test_a_bit_of_one_clip_the_order_of_names_and_the_name_matter(corpus):
    others = [
        other_input(corpus),
        replace(corpus, clip_ids=corpus.clip_ids[::-1]),
        replace(corpus, name="other"),
    ]
    identities = [each.clip_identity() for each in [corpus, *others]]
    assert all(a != b for i, a in enumerate(identities) for b in identities[:i])


def test_lengths_and_shape_of_instances_matter():
    corpus = Tiny(20, variable_lengths=True).load()
    wide = replace(corpus, x=corpus.x.reshape(20, 4, 10))
    others = [replace(corpus, lengths=None), replace(corpus, lengths=corpus.lengths[::-1]), wide]
    for other in others:
        assert other.clip_identity() != corpus.clip_identity()


def test_the_rate_of_sound_matters():
    corpus = TinySound(20).load()
    slower = replace(corpus, x=ArraySound(corpus.x.recordings, sample_rate=400))
    assert slower.clip_identity() != corpus.clip_identity()


def test_a_memory_map_is_what_it_maps(tmp_path):
    corpus = Tiny(2_000).load()
    np.save(tmp_path / "x.npy", corpus.x)
    mapped = replace(corpus, x=np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert mapped.clip_identity() == corpus.clip_identity()


def test_clips_are_sound_or_instances_and_say_which(corpus):
    if corpus.is_sound:
        assert corpus.sound is corpus.x
        assert (corpus.sample_rate, corpus.num_features) == (corpus.x.sample_rate, None)
        with pytest.raises(TypeError, match="are sound, not instances"):
            _ = corpus.instances
    else:
        assert corpus.instances is corpus.x
        assert (corpus.sample_rate, corpus.num_features) == (None, corpus.x.shape[2])
        with pytest.raises(TypeError, match="are instances, not sound"):
            _ = corpus.sound


def test_indices_of_the_splits_part_the_corpus():
    sound = Tiny(num_clips=30).load()
    rows = [sound.indices(split) for split in ("train", "val", "test")]
    assert np.array_equal(np.sort(np.concatenate(rows)), np.arange(30))
    assert rows[1].tolist() == [7, 17, 27]
