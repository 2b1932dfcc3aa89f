import logging
import mmap
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from musicssl.data.checks import check_corpus
from musicssl.data.corpus import Corpus, LoadedCorpus, embedded_corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.datasets.embeddings import EmbeddingsFile
from musicssl.datasets.formats.embeddings_file import save_embeddings
from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.methods.att import AttentionMIL
from musicssl.networks.pooling import AttentionPooling
from musicssl.schedules import constant
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


def with_time(folder, rng=None):
    """Write instances of the clips of a corpus; return the file, the instances and the lengths."""
    rng = rng or np.random.default_rng(2)
    x = rng.standard_normal((60, 4, 5)).astype(np.float32)
    lengths = rng.integers(1, 5, 60)
    original = TinySound(task="multi_label").load()
    labels = {"targets": original.y, "mask": original.mask, "split": original.split}
    np.savez(
        folder / "t.npz",
        embeddings=np.stack([-x, x], axis=1),
        clip_ids=original.clip_ids,
        lengths=lengths,
        layers=["first", "second"],
        times=np.tile(np.arange(8.0).reshape(4, 2) / 4, (60, 1, 1)),
        classes=original.classes,
        task="multi_label",
        **labels,
    )
    return folder / "t.npz", x, lengths


def test_instances_of_a_layer_stay_in_the_file_and_are_read_batch_by_batch(tmp_path):
    path, x, lengths = with_time(tmp_path)
    corpus = check_corpus(EmbeddingsFile(path, layer="second").load())
    base = corpus.x
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base.base, mmap.mmap)
    np.testing.assert_array_equal(corpus.x, x)
    assert corpus.instance_seconds == 0.5
    module = SemiSupervisedDataModule(EmbeddingsFile(path, layer=1), batch_size=16)
    module.setup()
    for batch in module.batches("test"):
        rows = batch.rows.numpy()
        np.testing.assert_array_equal(batch.x, x[rows])
        np.testing.assert_array_equal(batch.lengths, lengths[rows])


def test_instances_follow_the_clips_of_another_corpus(tmp_path):
    path, x, lengths = with_time(tmp_path)
    rows = tuple(np.random.default_rng(1).permutation(60)[:45].tolist())
    corpus = EmbeddingsFile(path, Some(rows=rows), layer=1).load()
    np.testing.assert_array_equal(corpus.x, x[list(rows)])
    np.testing.assert_array_equal(corpus.lengths, lengths[list(rows)])


def trained(dataset):
    """Train ATT for two epochs; return its weights."""
    torch.manual_seed(0)
    module = SemiSupervisedDataModule(dataset, p_s=0.5, batch_size=16, seed=3)
    module.setup()
    method = AttentionMIL(
        encoder=partial(AttEmbedding, num_layers=1),
        pooling=AttentionPooling,
        optimizer=partial(torch.optim.Adam, lr=1e-2),
        schedule=constant,
        **module.sizes,
    )
    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_epochs=2, accelerator="cpu", enable_model_summary=False, **silent)
    trainer.fit(method, module)
    return method.state_dict()


def test_training_on_a_file_equals_training_on_the_same_arrays(tmp_path):
    """Oracle: a corpus in memory. A layer is not the other: weights would differ."""
    path, x, lengths = with_time(tmp_path)
    original = TinySound(task="multi_label").load()
    in_memory = LoadedCorpus(replace(original, x=x, lengths=lengths, activity=None))
    expected = trained(in_memory)
    found = trained(EmbeddingsFile(path, layer="second"))
    other = trained(EmbeddingsFile(path, layer="first"))
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert not all(torch.equal(other[name], value) for name, value in expected.items())
