import dataclasses

import pytest

from musicssl.data.label_grid import check_crops, fits_label_frames, samples_per_label_frame
from musicssl.errors import InputError
from tests.support.tiny import Tiny
from tests.support.tiny_sound import RATE, TinySound


def test_crops_shorter_than_a_chunk_are_refused_and_short_clips_are_not():
    corpus = TinySound().load()
    with pytest.raises(InputError, match=r"raise it to at least 2\.5"):
        check_crops(2_000, 2.0, corpus)
    for chunk, seconds in ((1_600, 2.0), (10 * RATE, 10.0), (None, 0.1), (2_000, None)):
        check_crops(chunk, seconds, corpus)
    check_crops(2_000, 0.1, Tiny().load())


def test_a_place_is_a_second_of_sound_or_an_instance():
    corpus = TinySound().load()
    assert samples_per_label_frame(corpus) == RATE
    assert samples_per_label_frame(dataclasses.replace(corpus, instance_seconds=0.5)) == RATE // 2
    assert samples_per_label_frame(Tiny().load()) == 1


@pytest.mark.parametrize(
    ("chunk", "expected"), [(None, True), (RATE, True), (3 * RATE, True), (RATE + 1, False)]
)
def test_chunks_fit_if_they_are_a_whole_number_of_places(chunk, expected):
    assert fits_label_frames(chunk, TinySound().load()) == expected
