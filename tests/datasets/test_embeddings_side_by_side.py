"""Several files of embeddings as one vector of each clip. Oracle: NumPy, clip by clip."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from musicssl.cli import training
from musicssl.data.checks import check_corpus
from musicssl.data.clip_features import clip_features
from musicssl.data.corpus import embedded_corpus
from musicssl.datasets.embeddings import EmbeddingsFile
from musicssl.datasets.formats.embeddings_file import save_embeddings
from musicssl.errors import InputError
from musicssl.runs.folder import RunFolder
from tests.support.arrays import arrays_in
from tests.support.commands import composed
from tests.support.kinds import OneClass
from tests.support.tiny import Tiny
from tests.support.tiny_sound import TinySound
from tests.support.training_command import QUICK

LABELS = Tiny(variable_lengths=True)


@dataclass
class Source:
    """A file with the clips of `LABELS` in an order of its own, and its vector of each clip."""

    path: str
    vectors: dict = field(default_factory=dict)  # by clip


def saved(path, *, time=None, layers=False, extra=(), seed=0):
    """Write random embeddings, with `time` instances of which some are valid, or without."""
    rng = np.random.default_rng(seed)
    clips = rng.permutation([*LABELS.load().clip_ids, *extra])
    shape = (len(clips), *((2,) if layers else ()), *((time,) if time else ()), 3 + seed)
    h = rng.normal(size=shape).astype(np.float32)
    arrays = {"embeddings": h, "clip_ids": clips}
    if layers:
        arrays["layers"] = ["first", "second"]
        h = h[:, 1]
    if not time:
        np.savez(path, **arrays)
        return Source(str(path), dict(zip(clips, h, strict=True)))
    lengths = rng.integers(1, time + 1, len(clips))
    np.savez(path, **arrays, lengths=lengths)
    valid = [x[:length] for x, length in zip(h, lengths, strict=True)]
    vectors = [np.concatenate([x.mean(axis=0), x.std(axis=0)]) for x in valid]
    return Source(str(path), dict(zip(clips, vectors, strict=True)))


@pytest.fixture
def sources(tmp_path):
    """With time, with time and layers, and one vector of each clip."""
    return [
        saved(tmp_path / "a.npz", time=4, seed=1),
        saved(tmp_path / "b.npz", time=7, layers=True, extra=("other",), seed=2),
        saved(tmp_path / "c.npz", seed=3),
    ]


def beside(sources, **settings):
    settings = {"labels": LABELS, "layer": "second"} | settings
    return EmbeddingsFile([source.path for source in sources], **settings)


def test_the_statistics_of_all_files_are_one_vector_of_each_clip(sources):
    corpus, labels = check_corpus(beside(sources).load()), LABELS.load()
    assert corpus.x.shape == (120, 1, 2 * 4 + 2 * 5 + 6)
    for x, clip in zip(corpus.x[:, 0], corpus.clip_ids, strict=True):
        expected = np.concatenate([source.vectors[clip] for source in sources])
        np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)
    assert corpus.lengths is corpus.activity is None
    for name in ("clip_ids", "y", "split"):
        np.testing.assert_array_equal(getattr(corpus, name), getattr(labels, name))


@pytest.mark.parametrize(("first", "layer"), [(0, 1), (2, None)])
def test_the_features_of_the_corpus_come_last(sources, first, layer):
    files, labels = sources[first:], LABELS.load()
    without = beside(files, layer=layer).load()
    corpus = beside(files, layer=layer, with_features=True).load()
    np.testing.assert_array_equal(corpus.x[..., :-16], without.x)
    for found, x, length in zip(corpus.x[:, 0, -16:], labels.x, labels.lengths, strict=True):
        expected = np.concatenate([x[:length].mean(axis=0), x[:length].std(axis=0)])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_classifier_sees_these_numbers_and_no_others(sources):
    dataset = beside(sources, with_features=True)
    corpus = dataset.load()
    np.testing.assert_array_equal(clip_features(dataset, corpus, "instances"), corpus.x[:, 0])


def test_one_path_in_a_list_is_that_file(sources):
    [first, *_] = sources
    found = EmbeddingsFile([first.path], LABELS).load()
    expected = EmbeddingsFile(first.path, LABELS).load()
    assert found.x.shape == (120, 4, 4)
    for name in ("x", "lengths", "clip_ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_without_a_corpus_the_first_file_has_the_labels(tmp_path, sources):
    h = np.random.default_rng(9).normal(size=(120, 2)).astype(np.float32)
    save_embeddings(tmp_path / "labels.npz", embedded_corpus(Tiny(seed=5).load(), h))
    labels = Source(str(tmp_path / "labels.npz"))
    corpus = check_corpus(beside([labels, sources[2]], labels=None, layer=None).load())
    np.testing.assert_array_equal(corpus.y, Tiny(seed=5).load().y)
    np.testing.assert_array_equal(corpus.x[:, 0, :2], h)
    for x, clip in zip(corpus.x[:, 0, 2:], corpus.clip_ids, strict=True):
        np.testing.assert_array_equal(x, sources[2].vectors[clip])
    with pytest.raises(InputError, match=r"c\.npz has no targets, mask, split, classes, task; add"):
        beside([sources[2], labels], labels=None, layer=None).load()


def test_a_file_that_lacks_clips_is_named(tmp_path, sources):
    names = LABELS.load().clip_ids[:-2]
    np.savez(tmp_path / "few.npz", embeddings=np.ones((118, 2), np.float32), clip_ids=names)
    few = Source(str(tmp_path / "few.npz"))
    with pytest.raises(InputError, match=r"few\.npz lacks 2 of the 120 clips of tiny, 'tiny-118'"):
        beside([*sources, few]).load()
    h = np.ones((120, 2), np.float32)
    save_embeddings(tmp_path / "labels.npz", embedded_corpus(Tiny().load(), h))
    first = Source(str(tmp_path / "labels.npz"))
    with pytest.raises(InputError, match=r"few\.npz lacks 2 of the 120 clips of .*labels\.npz, 't"):
        beside([first, few], labels=None, layer=None).load()


@pytest.mark.parametrize(
    ("numbers", "settings", "message"),
    [
        ([], {}, r"dataset\.path=\[\] names no file; name one or several, 'dataset\.path=\[a"),
        (
            [0, 2],
            {"layer": 1},
            r"none of .*a\.npz, .*c\.npz has layers; leave out dataset\.layer=1",
        ),
        ([0, 1], {"layer": None}, r"b\.npz has 2 layers \(first, second\); choose one"),
        ([0, 1], {"layer": "third"}, r"b\.npz has no layer 'third'"),
        ([0], {"labels": None, "with_features": True}, r"name this corpus with dataset@dataset\.l"),
        (
            [0],
            {"labels": TinySound(), "with_features": True},
            "those of tiny_sound are sound; leave out features=waveform, or choose features=log_m",
        ),
    ],
)
def test_what_cannot_be_put_side_by_side_is_refused(sources, numbers, settings, message):
    with pytest.raises(InputError, match=message):
        beside([sources[number] for number in numbers], **settings).load()


def self_trained(folder, path):
    """Run the command on embeddings with the labels of a corpus with one class a clip."""
    quick = (word for word in QUICK if word != "dataset=tiny")
    corpus = ("dataset=embeddings", f"dataset.path={path}", "dataset@dataset.labels=tiny")
    one_class = "dataset.labels._target_=tests.support.kinds.OneClass"
    method = ("method=self_training", "method.rounds=2", "data.p_s=0.2")
    words = (*quick, *corpus, one_class, *method)
    training.run(composed("train", folder, *words), RunFolder(folder))
    return arrays_in(RunFolder(folder).predictions)["scores"]


def test_self_training_on_two_files_is_that_on_a_file_of_their_statistics(tmp_path, sources):
    two, clips = sources[::2], OneClass().load().clip_ids
    vectors = [np.concatenate([source.vectors[clip] for source in two]) for clip in clips]
    np.savez(tmp_path / "one.npz", embeddings=vectors, clip_ids=clips)
    found = self_trained(tmp_path / "two", f"[{','.join(source.path for source in two)}]")
    expected = self_trained(tmp_path / "one", tmp_path / "one.npz")
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(expected, axis=0).min() > 0.01
