import logging
from dataclasses import dataclass, replace

import numpy as np
import pytest

from musicssl.data.corpus import Corpus, check_corpus, embedded_corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.datasets.embeddings import EmbeddingsFile
from musicssl.datasets.formats.embeddings_file import save_embeddings
from musicssl.errors import InputError
from tests.support.tiny import Tiny
from tests.support.tiny_sound import TinySound

H = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)
suffixes = pytest.mark.parametrize("suffix", [".npz", ".parquet"])


@dataclass(frozen=True)
class Some(TinySound):
    """A corpus that has only some of its clips, and they are in another order."""

    rows: tuple[int, ...] = ()

    def load(self) -> Corpus:
        corpus = super().load()
        rows = np.array(self.rows)
        kept = {n: getattr(corpus, n)[rows] for n in ("y", "mask", "split", "clip_ids")}
        x = np.zeros((len(rows), 2, 3), np.float32)
        return replace(corpus, x=x, activity=None, **kept)


@pytest.fixture
def path(tmp_path):
    return saved(tmp_path / "h.npz", TinySound())


def saved(path, dataset):
    save_embeddings(path, embedded_corpus(dataset.load(), H))
    return path


@suffixes
def test_a_file_with_labels_is_a_corpus(tmp_path, suffix):
    original = replace(TinySound(task="multi_label").load(), groups=np.arange(60).astype(str))
    save_embeddings(tmp_path / f"h{suffix}", embedded_corpus(original, H))
    corpus = check_corpus(EmbeddingsFile(tmp_path / f"h{suffix}").load())
    np.testing.assert_array_equal(corpus.x[:, 0], H)
    assert corpus.x.shape == (60, 1, 5)
    for name in ("y", "mask", "split", "clip_ids", "groups"):
        np.testing.assert_array_equal(getattr(corpus, name), getattr(original, name))
    assert (corpus.name, corpus.classes, corpus.task) == (
        "embeddings",
        original.classes,
        "multi_label",
    )


def test_labels_of_another_corpus_are_matched_by_the_name_of_the_clip(path, caplog):
    rows = tuple(np.random.default_rng(1).permutation(60)[:45].tolist())
    caplog.set_level(logging.INFO)
    labels = Some(rows=rows)
    corpus = EmbeddingsFile(path, labels).load()
    np.testing.assert_array_equal(corpus.x[:, 0], H[list(rows)])
    np.testing.assert_array_equal(corpus.y, TinySound().load().y[list(rows)])
    np.testing.assert_array_equal(corpus.clip_ids, labels.load().clip_ids)
    assert "has 15 clips that are not in tiny_sound; left out." in caplog.text


def test_no_surplus_clips_are_not_reported(path, caplog):
    caplog.set_level(logging.INFO)
    EmbeddingsFile(path, TinySound()).load()
    assert not caplog.text


def test_clips_that_the_file_lacks_are_counted(path):
    with pytest.raises(InputError, match="lacks 20 of the 80 clips of tiny_sound, 'sound-060'"):
        EmbeddingsFile(path, TinySound(80)).load()
    with pytest.raises(InputError, match=r"lacks 120 of the 120 clips of tiny, .* as 'sound-000'"):
        EmbeddingsFile(path, Tiny()).load()


def test_embeddings_alone_need_labels_from_elsewhere(tmp_path):
    names = TinySound().load().clip_ids
    np.savez(tmp_path / "h.npz", embeddings=H, clip_ids=names)
    with pytest.raises(InputError) as raised:
        EmbeddingsFile(tmp_path / "h.npz").load()
    assert str(raised.value) == (
        f"{tmp_path}/h.npz has no targets, mask, split, classes, task; add it to the file "
        "('task' is one of multi_label, multi_class, regression), or name the corpus of the clips "
        "with dataset=NAME in probe.py, dataset@dataset.labels=NAME in train.py."
    )
    np.testing.assert_array_equal(EmbeddingsFile(tmp_path / "h.npz", TinySound()).load().x[:, 0], H)


def test_only_what_is_missing_is_asked_for(path):
    with np.load(path) as npz:
        arrays = dict(npz)
    del arrays["split"]
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=r"h\.npz has no split; add it to the file, or name"):
        EmbeddingsFile(path).load()


def test_a_file_without_names_is_refused_whatever_the_labels(tmp_path):
    np.savez(tmp_path / "h.npz", embeddings=H)
    with pytest.raises(InputError, match="has no 'clip_ids'"):
        EmbeddingsFile(tmp_path / "h.npz", TinySound()).load()


def test_no_path_is_reported():
    with pytest.raises(InputError, match=r"dataset\.path is not set"):
        EmbeddingsFile(None).load()


def test_batches_are_embeddings_and_their_labels(path):
    module = SemiSupervisedDataModule(EmbeddingsFile(str(path)), p_s=0.5, batch_size=16)
    module.prepare_data()
    module.setup()
    assert module.sizes["num_features"] == 5
    assert module.sizes["num_instances"] == 1
    y = TinySound().load().y
    seen = []
    for batch in module.batches("test"):
        rows = batch.rows.numpy()
        np.testing.assert_array_equal(batch.x[:, 0], H[rows])
        np.testing.assert_array_equal(batch.y, y[rows])
        seen += rows.tolist()
    assert seen == np.flatnonzero(TinySound().load().split == "test").tolist()


class Prepared(TinySound):
    prepared = 0

    def prepare(self):
        Prepared.prepared += 1

    def audio(self, clip_id):
        return np.ones(3, np.float32), 8


def test_the_corpus_of_the_labels_is_prepared_and_has_the_sound(path):
    dataset = EmbeddingsFile(path, Prepared())
    dataset.prepare()
    assert Prepared.prepared == 1
    samples, rate = dataset.audio("sound-001")
    assert (len(samples), rate) == (3, 8)
    EmbeddingsFile(path).prepare()
    with pytest.raises(InputError, match="'sound-001' is an embedding; its file has no sound"):
        EmbeddingsFile(path).audio("sound-001")
