"""Labels and lists that validate, against counts made clip by clip."""

import dataclasses
from zipfile import ZipFile

import numpy as np
import pytest

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.data.validation import carve_labels, listed_clips
from musicssl.errors import InputError
from tests.support.kinds import OneClass
from tests.support.tiny import Tiny

CORPUS = Tiny(num_clips=400, validation=False)


def partly(groups=None, seed=1):
    """A corpus without validation clips, of whose cells some are observed."""
    corpus = CORPUS.load()
    observed = np.random.default_rng(seed).random(corpus.y.shape) < [0.9, 0.5, 0.2]
    return dataclasses.replace(corpus, mask=observed, groups=groups)


@dataclasses.dataclass
class Given:
    corpus: object

    def prepare(self):
        pass

    def load(self):
        return self.corpus


def module(corpus=None, **settings):
    chosen = {"b_s": 0.5, "batch_size": 16, "val_by": "labels", "needs": Needs(by_label=True)}
    made = SemiSupervisedDataModule(Given(corpus or partly()), **chosen | settings)
    made.setup()
    return made


@pytest.mark.parametrize("fraction", [0.15, 0.4])
def test_each_label_gives_up_its_own_share(fraction):
    corpus = partly()
    train = corpus.indices("train")
    mask = corpus.mask[train]
    held_out = carve_labels(corpus, train, mask, fraction, seed=0)
    assert not (held_out & ~mask).any()
    for c in range(3):
        assert abs(held_out[:, c].sum() - fraction * mask[:, c].sum()) <= 0.5
        present = corpus.y[train, c] > 0.5
        share = held_out[present, c].sum() / mask[present, c].sum()
        assert share == pytest.approx(fraction, abs=0.02)  # balanced
    assert (held_out.any(axis=1) & (mask & ~held_out).any(axis=1)).any()  # both at once
    again = carve_labels(corpus, train, mask, fraction, seed=0)
    other = carve_labels(corpus, train, mask, fraction, seed=1)
    assert np.array_equal(held_out, again)
    assert not np.array_equal(held_out, other)


def test_no_group_is_on_both_sides_of_a_label():
    groups = np.array([f"artist{i // 8}" for i in range(400)])
    corpus = partly(groups=groups)
    train = corpus.indices("train")
    mask = corpus.mask[train]
    held_out = carve_labels(corpus, train, mask, 0.15, seed=0)
    for c in range(3):
        both = set(groups[train][held_out[:, c]]) & set(groups[train][mask[:, c] & ~held_out[:, c]])
        assert not both
        assert held_out[:, c].any()


def test_what_validates_a_label_never_trains_it():
    """Not as a labelled clip of the model, and not as an unlabelled one."""
    made = module()
    val_rows, (_, val_mask) = made.rows("val"), made.labels("val")
    _, train_mask = made.labels("train")
    corpus = made.corpus
    seen = np.zeros_like(corpus.mask)
    seen[val_rows] = val_mask
    in_training = np.zeros_like(corpus.mask)
    in_training[made.rows("train")] = train_mask
    train = corpus.split == "train"
    assert not (seen & in_training).any()
    assert np.array_equal((seen | in_training)[train], corpus.mask[train])
    plan = made.label_plan()
    for c in range(3):
        validates = set(np.flatnonzero(seen[:, c]))
        labelled = set(np.flatnonzero(in_training[:, c]))
        assert set(plan.labelled[c].pool) == labelled
        assert set(plan.unlabelled[c].pool) == set(made.rows("train")) - labelled - validates
    batch = next(iter(made.val_dataloader()))
    assert np.array_equal(batch.mask, seen[batch.rows])
    assert np.array_equal(made.clips("val").mask, val_mask)


def test_the_labelled_subset_is_drawn_from_what_remains():
    made = module(p_s=0.3)
    assert np.array_equal(made.labels("val")[1], module().labels("val")[1])
    assert made.labels("train")[1].any(dim=1).sum() < module().labels("train")[1].any(dim=1).sum()


def test_a_label_observed_everywhere_has_its_training_clips_as_unlabelled_ones():
    made = module(CORPUS.load())
    plan = made.label_plan()
    for c in range(3):
        assert set(plan.unlabelled[c].pool) == set(plan.labelled[c].pool)


def id_list(corpus, tmp_path):
    train = corpus.indices("train")
    chosen = train[::7]
    file = tmp_path / "val.txt"
    file.write_text("\n".join(corpus.clip_ids[chosen][::-1]) + "\n\n")
    return file, chosen


def test_a_list_names_the_validation_clips(tmp_path):
    corpus = partly()
    file, chosen = id_list(corpus, tmp_path)
    made = module(val_by="clips", val_list=str(file))
    assert np.array_equal(made.rows("val"), chosen)
    assert np.array_equal(made.rows("train"), np.setdiff1d(corpus.indices("train"), chosen))


def test_the_authors_archive_counts_training_clips_in_the_order_of_their_ids(tmp_path):
    corpus = partly()
    shuffled = np.random.default_rng(0).permutation(400)
    changed = dataclasses.replace(corpus, clip_ids=corpus.clip_ids[shuffled])
    file = tmp_path / "train_val.split"
    with file.open("wb") as opened:
        np.savez(opened, train=np.arange(5, 320), val=np.array([4, 0, 2, 1, 3]))
    train, val = listed_clips(changed, changed.indices("train"), file)
    assert set(changed.clip_ids[val]) == set(sorted(changed.clip_ids[changed.split == "train"])[:5])
    assert len(train) == len(changed.indices("train")) - 5


BAD_LISTS = {
    "absent.txt": (None, "there is no such file"),
    "other.txt": (b"tiny-001\nnobody\n", "'nobody' is no training clip"),
    "empty.txt": (b"\n", "names 0 of"),
    "bytes.txt": (b"\x80\x04\x95\xff", "neither text nor an archive"),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_a_list_that_cannot_be_used_is_refused(tmp_path, name):
    content, message = BAD_LISTS[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        module(val_by="clips", val_list=str(tmp_path / name))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"valid": np.arange(3)}, "no array 'val'"),
        ({"val": np.arange(3.0)}, "whole numbers"),
        ({"val": np.arange(3).astype("m8[s]")}, "whole numbers"),
        ({"val": np.array([0, 320])}, "positions up to 320"),
        ({"val": np.array([{}], dtype=object)}, "no array 'val'"),
    ],
)
def test_an_archive_that_cannot_be_used_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "split.npz", **arrays)
    with pytest.raises(InputError, match=message):
        module(val_by="clips", val_list=str(tmp_path / "split.npz"))


def test_an_archive_with_a_damaged_header_is_refused(tmp_path):
    header = b"\x93NUMPY\x01\0\x0c\0{'descr': ("  # Python cannot read that, and says so in its way
    with ZipFile(tmp_path / "split.npz", "w") as archive:
        archive.writestr("val.npy", header)
    with pytest.raises(InputError, match="no array 'val'"):
        module(val_by="clips", val_list=str(tmp_path / "split.npz"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"val_by": "cells"}, "must be clips or labels"),
        ({"val_list": "val.txt"}, "leave one of them out"),
        ({"needs": Needs()}, "learn each label by itself"),
        ({"corpus": Tiny().load()}, "tiny has a validation split"),
        ({"corpus": Tiny().load(), "val_by": "clips", "val_list": "a"}, "has a validation split"),
        ({"corpus": OneClass(validation=False).load()}, "one class"),
    ],
)
def test_settings_that_contradict_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        module(**settings)
