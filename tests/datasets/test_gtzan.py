import gzip
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicssl.audio.decode import read_audio
from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.checks import check_corpus
from musicssl.datasets.gtzan import CLASSES, GTZAN, main
from musicssl.errors import InputError
from tests.support.made_once import made_once

RATE = 4_000
FEATURES = LogMel(sample_rate=RATE, num_mels=8, n_fft=256)
TRAIN = [f"{genre}/{genre}.0000{n}.wav" for genre in CLASSES for n in (0, 1)]
VALID = [f"{genre}/{genre}.00002.wav" for genre in CLASSES]
TEST = [f"{genre}/{genre}.00003.wav" for genre in CLASSES]
LISTS = {"train": TRAIN, "valid": VALID, "test": TEST}


def write_lists(folder: Path, kind: str = "filtered", end: str = "\n", **changes: list[str]):
    folder.mkdir(exist_ok=True, parents=True)
    for part, clips in {**LISTS, **changes}.items():
        (folder / f"{part}_{kind}.txt").write_text("\n".join(clips) + end)


def write_audio(folder: Path, clips: list[str], suffix: str = ".wav") -> None:
    rng = np.random.default_rng(0)
    for clip in clips:
        path = (folder / clip).with_suffix(suffix)
        path.parent.mkdir(exist_ok=True, parents=True)
        soundfile.write(path, rng.uniform(-0.5, 0.5, RATE + 100), RATE)


def write_corpus(folder):
    write_audio(folder / "genres", TRAIN + VALID + TEST)
    write_lists(folder)


@pytest.fixture
def root(tmp_path):
    return made_once(write_corpus, tmp_path / "gtzan")


@pytest.fixture
def make(root):
    def make_dataset(**settings):
        defaults = {"root": root, "cache": root.parent / "cache", "num_workers": 1}
        return GTZAN(**(defaults | {"features": FEATURES} | settings))

    return make_dataset


@pytest.mark.parametrize("features", [FEATURES, Waveform(RATE)])
def test_the_corpus_is_what_the_lists_say(make, root, features):
    corpus = check_corpus(make(features=features).load())
    assert corpus.classes == CLASSES
    assert corpus.task == "multi_class"
    assert corpus.clip_ids.tolist() == [f"genres/{clip}" for clip in TRAIN + VALID + TEST]
    assert corpus.split.tolist() == ["train"] * 20 + ["val"] * 10 + ["test"] * 10
    for clip, y in zip(corpus.clip_ids, corpus.y, strict=True):
        assert [CLASSES[column] for column in np.flatnonzero(y)] == [clip.split("/")[1]]
    assert corpus.mask.all()
    assert corpus.groups is None
    for row in (0, 25, 39):
        samples = read_audio(root / corpus.clip_ids[row], RATE)
        if features is FEATURES:
            np.testing.assert_array_equal(corpus.x[row], FEATURES(samples))
        else:
            rows, starts = np.array([row]), np.array([0])
            np.testing.assert_allclose(corpus.x.read(rows, starts, len(samples))[0], samples)


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("audio", ["Data/genres_original", "genres_original"])
def test_the_layout_of_kaggle_and_the_folder_above(make, root, audio, above):
    (root / audio).parent.mkdir(exist_ok=True)
    (root / "genres").rename(root / audio)
    corpus = make(root=root.parent if above else root).load()
    assert corpus.clip_ids[0] == f"{audio}/blues/blues.00000.wav"
    assert len(corpus.clip_ids) == 40


@pytest.mark.parametrize("end", ["", "\n", "\r\n\r\n"])
def test_the_last_line_counts_with_and_without_its_end(make, root, end):
    write_lists(root, end=end)
    assert Counter(make().load().split.tolist()) == {"train": 20, "val": 10, "test": 10}


def test_the_validation_list_may_be_called_val(make, root):
    (root / "valid_filtered.txt").rename(root / "val_filtered.txt")
    assert len(make().load().indices("val")) == 10


@pytest.mark.parametrize("absolute", [False, True])
def test_the_lists_may_lie_elsewhere(make, root, absolute):
    for path in root.glob("*.txt"):
        path.unlink()
    write_lists(root / "lists")
    lists = root / "lists" if absolute else "lists"
    assert len(make(lists=lists).load().clip_ids) == 40


def test_the_stratified_split_is_another(make, root):
    write_lists(root, "stratified", train=VALID, valid=TRAIN)
    corpus = make(split="stratified").load()
    assert corpus.clip_ids[corpus.indices("val")].tolist() == [f"genres/{clip}" for clip in TRAIN]


def test_old_copies_have_au_files(make, root):
    shutil.rmtree(root / "genres")
    write_audio(root / "genres", TRAIN + VALID + TEST, ".au")
    assert make().load().clip_ids[0] == "genres/blues/blues.00000.au"


def write_kaggle(root: Path, start: bytes) -> None:
    """A corpus as Kaggle ships it, with jazz.00054 in train; `start` overwrites its first bytes."""
    write_lists(root, train=[*TRAIN, "jazz/jazz.00054.wav"])
    (root / "genres").rename(root / "genres_original")
    write_audio(root / "genres_original", ["jazz/jazz.00054.wav"])
    path = root / "genres_original" / "jazz" / "jazz.00054.wav"
    path.write_bytes(start + path.read_bytes()[len(start) :])


def test_the_broken_file_of_kaggle_is_left_out_and_counted(make, root, capsys):
    write_kaggle(root, b"\0\1\2\3")
    annotations = make().annotations()
    assert list(annotations.left_out) == ["genres_original/jazz/jazz.00054.wav"]
    corpus = check_corpus(make().load())  # with unreadable="error"
    assert len(corpus.indices("train")) == 20
    arguments = ["--root", str(root), "--cache", str(root.parent / "c"), "--num-workers", "1"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "40 clips: 20 train, 10 val, 10 test" in shown
    assert "left out because they are broken or wrong: 1\n  genres_original/jazz/jazz." in shown
    assert "other audio files, not used: 0" in shown


def test_the_same_file_is_used_where_it_is_whole(make, root):
    write_kaggle(root, b"RIFF")
    assert make().annotations().left_out == {}
    assert "genres_original/jazz/jazz.00054.wav" in make().load().clip_ids


def test_elsewhere_a_broken_file_is_an_error_like_any_other(make, root):
    write_kaggle(root, b"\0\1\2\3")
    (root / "genres_original").rename(root / "genres")
    with pytest.raises(InputError, match=r"1 of 41 files .*jazz\.00054\.wav"):
        make().load()


def test_a_missing_recording_is_named_or_skipped(make, root):
    (root / "genres" / TRAIN[3]).unlink()
    with pytest.raises(InputError, match=rf"1 of 40 files .*{TRAIN[3]} is missing"):
        make().load()
    assert len(make(unreadable="skip").load().indices("train")) == 19


def test_a_recording_in_no_list_is_counted_only(make, root, capsys):
    write_audio(root / "genres", ["rock/rock.00099.wav"])
    assert len(make().load().clip_ids) == 40
    assert main(["--root", str(root), "--cache", str(root / "c"), "--num-workers", "1"]) == 0
    assert "other audio files, not used: 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("blues.00029.wav", r"line 2 of .*train_filtered\.txt is 'blues\.00029\.wav', not a path"),
        ("blues/rock.00029.wav", r"line 2 of .* is 'blues/rock\.00029\.wav', not a path"),
        ("hip-hop/hip-hop.00001.wav", r"line 2 of .* is 'hip-hop/hip-hop"),
        (TRAIN[0], r"line 2 of .* names blues/blues\.00000\.wav, which is already in train"),
    ],
)
def test_a_malformed_line_is_named(make, root, line, message):
    write_lists(root, train=[TRAIN[0], line, *TRAIN[1:]])
    with pytest.raises(InputError, match=message):
        make().load()


def test_a_clip_in_two_lists_is_refused(make, root):
    write_lists(root, test=[*TEST, VALID[4]])
    with pytest.raises(InputError, match=rf"names {VALID[4]}, which is already in val"):
        make().load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            None,
            r"gtzan has no valid_filtered\.txt or val_filtered\.txt, which the archive of gtzan",
        ),
        ("", r"valid_filtered\.txt is empty"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a git-LFS pointer"),
    ],
)
def test_a_list_that_is_not_there(make, root, content, message):
    path = root / "valid_filtered.txt"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError, match=message):
        make().load()


@pytest.mark.parametrize(
    ("below", "message"),
    [
        ("genres", r"genres is one level too low: gtzan is in .*gtzan; set data\.root="),
        ("", r"one level too high: gtzan is in .*mine; set data\.root=.*mine"),
    ],
)
def test_a_root_one_level_off_is_reported(make, root, below, message):
    wrong = root / below if below else root.rename(root.parent / "mine").parent
    with pytest.raises(InputError, match=message):
        make(root=wrong).load()


def test_an_unknown_split_is_reported(make):
    with pytest.raises(InputError, match=r"split must be fault_filtered or stratified, got 'mine'"):
        make(split="mine").load()


@pytest.fixture
def real(shared_data, tmp_path):
    (tmp_path / "genres").mkdir()
    for path in (shared_data / "annotations" / "gtzan").glob("*.txt"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_the_real_lists(real, shared_data):
    folder = shared_data / "annotations" / "gtzan"
    annotations = GTZAN(root=real).annotations()
    assert Counter(annotations.split.tolist()) == {"train": 443, "val": 197, "test": 290}
    assert len(set(annotations.paths)) == 930
    assert "genres/jazz/jazz.00054.wav" in annotations.paths[:443]
    jukemir = json.loads(gzip.decompress((folder / "jukemir_gtzan_ff.json.gz").read_bytes()))
    expected = {
        f"genres/{entry['y']}/{entry['extra']['id']}.wav": (entry["split"], entry["y"])
        for entry in jukemir.values()
    }
    names = [CLASSES[column] for column in annotations.y.argmax(axis=1)]
    splits = np.where(annotations.split == "val", "valid", annotations.split)
    found = zip(annotations.paths, splits, names, strict=True)
    assert {path: (split, name) for path, split, name in found} == expected
    # SemiSupCon's lists: the same without the last line's end, and `val` for `valid`
    semisupcon = GTZAN(root=real, lists=folder / "SemiSupCon").annotations()
    assert semisupcon.paths == annotations.paths
    assert semisupcon.split.tolist() == annotations.split.tolist()


def test_the_real_stratified_lists(real):
    annotations = GTZAN(root=real, split="stratified").annotations()
    assert Counter(annotations.split.tolist()) == {"train": 500, "val": 250, "test": 250}
    assert annotations.y.sum(axis=0).tolist() == [100] * 10


def test_a_real_recording(shared_data, tmp_path):
    resources = shared_data / "annotations" / "mirdata-test-resources" / "gtzan_genre"
    shutil.copytree(resources / "gtzan_genre", tmp_path / "gtzan")
    write_lists(tmp_path / "gtzan", train=["country/country.00000.wav"])
    corpus = GTZAN(
        root=tmp_path,
        features=Waveform(22_050),
        cache=tmp_path / "c",
        unreadable="skip",
        num_workers=1,
    ).load()
    assert corpus.clip_ids.tolist() == ["genres/country/country.00000.wav"]
    assert corpus.y.argmax() == CLASSES.index("country")
    path = tmp_path / "gtzan" / corpus.clip_ids[0]
    assert corpus.x.lengths.tolist() == [soundfile.info(path).frames]
