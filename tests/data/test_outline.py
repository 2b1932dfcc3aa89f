"""What corpora say before their clips are read is what they are found to be afterwards."""

from functools import partial

import numpy as np
import pytest
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.checks import check_corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.outline import Outline, Targets, outline_of
from musicssl.datasets.audio_folder import AudioFolder
from musicssl.datasets.embeddings import EmbeddingsFile
from musicssl.datasets.synthband import Synthband
from musicssl.datasets.synthband_notes import SynthbandNotes
from musicssl.datasets.synthband_solo import SynthbandSolo
from musicssl.errors import InputError
from tests.support.tiny import Tiny

MEL = LogMel(num_mels=8)
BANDS = {
    "instances": partial(Synthband, clip_seconds=2.0, features=MEL),
    "overlaps": partial(
        Synthband, clip_seconds=2.0, features=LogMel(num_mels=8, instance_hop_seconds=0.5)
    ),
    "sound": partial(Synthband, clip_seconds=2.0, features=Waveform()),
    "attributes": partial(Synthband, clip_seconds=2.0, features=MEL, target="attributes"),
    "solo": partial(SynthbandSolo, clip_seconds=2.0, features=MEL),
    "families": partial(SynthbandNotes, features=MEL),
    "pitches": partial(SynthbandNotes, features=MEL, target="pitch"),
}


def agrees(outline, corpus):
    assert (outline.name, outline.task) == (corpus.name, corpus.task)
    assert outline.classes == corpus.classes
    assert (outline.num_features, outline.sample_rate) == (corpus.num_features, corpus.sample_rate)
    assert outline.has_activity or corpus.activity is None


@pytest.mark.parametrize("kind", BANDS)
def test_synthesised_clips_are_as_the_outline_says(tmp_path, kind):
    band = BANDS[kind](num_clips=10, cache=tmp_path, num_workers=1)
    outline = band.outline()
    assert not list(tmp_path.iterdir())  # nothing was rendered
    corpus = band.load()
    agrees(outline, corpus)
    assert outline.has_activity == corpus.has_activity
    if not corpus.is_sound:
        assert outline.is_exact
        assert outline.num_instances == corpus.instances.shape[1]
        sizes = SemiSupervisedDataModule(band).outline().sizes
        assert sizes == {
            "num_features": 8,
            "num_instances": corpus.instances.shape[1],
            "num_classes": len(corpus.classes),
            "task": corpus.task,
        }


@pytest.fixture
def folder(tmp_path):
    """Four recordings; d is in no table."""
    rng = np.random.default_rng(0)
    for name in "abcd":
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(40_000), 16_000)
    (tmp_path / "labels.csv").write_text(
        "path,labels,split\na.wav,x,train\nb.wav,y,train\nc.wav,x;y,test\n"
    )
    return tmp_path


@pytest.mark.parametrize("features", [MEL, Waveform()])
def test_recordings_are_as_the_outline_says(folder, features):
    made = AudioFolder(
        folder, labels="labels.csv", features=features, cache=folder / "cache", num_workers=1
    )
    outline = made.outline()
    assert not (folder / "cache").exists()
    corpus = check_corpus(made.load())
    agrees(outline, corpus)
    targets = outline.targets
    assert targets.clip_ids.tolist() == corpus.clip_ids.tolist()
    np.testing.assert_array_equal(targets.mask, corpus.mask)
    np.testing.assert_array_equal(targets.y[targets.mask], corpus.y[corpus.mask])
    np.testing.assert_array_equal(targets.train, corpus.split == "train")


def test_a_missing_recording_is_named_unless_it_is_to_be_skipped(folder):
    (folder / "b.wav").unlink()
    with pytest.raises(InputError, match=r"b\.wav"):
        AudioFolder(folder, labels="labels.csv", features=MEL).outline()


def test_embeddings_have_the_labels_of_their_corpus_and_the_width_of_their_file(tmp_path):
    band = BANDS["instances"](num_clips=10, cache=tmp_path / "cache", num_workers=1)
    ids = [f"synthband-{number:06d}" for number in range(10)]
    np.savez(tmp_path / "h.npz", embeddings=np.ones((10, 3), np.float32), clip_ids=ids)
    file = EmbeddingsFile(tmp_path / "h.npz", band)
    outline = file.outline()
    agrees(outline, file.load())
    assert outline.num_features == 3
    several = EmbeddingsFile([tmp_path / "h.npz"] * 2, band).outline()
    assert several.sizes is None  # only `load` knows how wide they are together
    assert EmbeddingsFile(tmp_path / "h.npz").outline() is None  # `load` says all as early


def test_a_corpus_that_prepares_nothing_needs_no_outline():
    assert outline_of(Tiny()) is None
    assert SemiSupervisedDataModule(Tiny()).outline() is None


def test_labels_that_cannot_be_learnt_are_refused():
    y = np.array([[1, 0], [1, 1]], np.float32)
    targets = Targets(np.array(["a", "b"]), y, np.ones((2, 2), bool), np.ones(2, bool))
    outline = Outline("two", "multi_label", 8, 1, ("always", "sometimes"), targets=targets)
    with pytest.raises(InputError, match="class 'always' is present in every training clip"):
        outline.check_labels()
