"""Oracle: the tunes that were written to the files."""

import numpy as np
import pytest

from musicssl.data.checks import check_corpus
from musicssl.data.melodies import Melodies
from musicssl.datasets.folk import Folk
from musicssl.errors import InputError


def write(folder, titles, body="CDEF GABc|c8|"):
    heads = [f"X:{n}\nT:{title}\nM:4/4\nL:1/8\nK:C\n" for n, title in enumerate(titles, 1)]
    (folder / "tunes.abc").write_text("\n".join(f"{head}{body}\n" for head in heads))


@pytest.fixture
def folder(tmp_path):
    titles = [f"Tune {n // 2}" for n in range(80)]  # each in two settings
    write(tmp_path, titles)
    return tmp_path


def test_the_bars_of_the_files_are_the_clips(folder):
    dataset = Folk(root=folder)
    assert isinstance(dataset, Melodies)
    corpus = check_corpus(dataset.load())
    assert (corpus.task, corpus.token_rows.shape) == ("regression", (160, 24))
    assert corpus.clip_ids[:3].tolist() == ["tunes.abc:0:0", "tunes.abc:0:1", "tunes.abc:1:0"]
    pitches = dataset.pitches_of(corpus.token_rows)
    assert pitches[0, ::3].tolist() == [60, 62, 64, 65, 67, 69, 71, 72]
    offbeats = 4 * 0.5 / 27.79
    on_beats = (0.2 + 0.67 + 0.25 + 0.67) / 27.79
    expected = [[offbeats + on_beats, 12 / 26, 8 / 24, 12 / 26], [0.2 / 27.79, 0, 1 / 24, 0]]
    np.testing.assert_allclose(corpus.y[:2], expected, rtol=1e-6)
    np.testing.assert_allclose(dataset.attributes_of(corpus.token_rows), corpus.y, rtol=1e-6)


def test_settings_of_a_tune_are_in_one_split_and_shares_are_those_published(folder):
    corpus = Folk(root=folder).load()
    splits = {title: set(corpus.split[corpus.groups == title]) for title in set(corpus.groups)}
    assert all(len(found) == 1 for found in splits.values())
    counts = [
        sum(found == {name} for found in splits.values()) for name in ("train", "val", "test")
    ]
    assert counts == [34, 4, 2]  # of 40 titles
    assert (Folk(root=folder, seed=1).load().split != corpus.split).any()


def test_bars_without_a_token_or_a_note_are_left_out(tmp_path):
    write(tmp_path, [f"Tune {n}" for n in range(20)], body="z8|C,,8|e''8|e8|")
    corpus = Folk(root=tmp_path).load()
    assert len(corpus.clip_ids) == 20
    assert (Folk().pitches_of(corpus.token_rows)[:, 0] == 76).all()


def test_folders_without_enough_tunes_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"is not a folder; set data.root to a folder of \.abc"):
        Folk(root=tmp_path / "nowhere").load()
    write(tmp_path, [f"Tune {n}" for n in range(19)])
    with pytest.raises(InputError, match="has 19 tunes of different titles"):
        Folk(root=tmp_path).load()
