import logging
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
from musicssl.datasets.vocalset import (
    OTHER_TECHNIQUES,
    SINGERS,
    TECHNIQUES,
    TEST_SHARE,
    VAL_SHARE,
    VocalSet,
    main,
)
from musicssl.errors import InputError
from tests.support.made_once import made_once

RATE = 4_000
FEATURES = LogMel(sample_rate=RATE, num_mels=8, n_fft=256)
TRAIN_SINGERS, TEST_SINGERS = ["female1", "male11"], ["female2", "male8", "male10"]
CLIPS = [
    f"{singer}/scales/{technique}/{singer[0]}{singer.strip('femal')}_scales_{technique}_a.wav"
    for singer in (*TRAIN_SINGERS, "female2")
    for technique in TECHNIQUES
]
ODD = {  # as the archive ships them: path -> singer and technique
    "female2/arpeggios/lip_trill/lip_trill_arps.wav": ("female2", "lip_trill"),
    "female2/arpeggios/vibrado/f2_arpeggios_vibrato_a.wav": ("female2", "vibrato"),
    "male8/excerpts/vibrato/m9_caro_vibrato.wav": ("male8", "vibrato"),
    "male8/excerpts/straight/row_straight.wav": ("male8", "straight"),
}
OTHER = ["female1/scales/slow_piano/f1_scales_c_slow_piano_a.wav", "male11/long_tones/pp/m11.wav"]
TO_DELETE = [
    "female2/scales/vibrato/f2_scales_vibrato_a(1).wav",
    "male10/excerpts/vibrato/caro_vibrato.wav",
    "male10/excerpts/vibrato/dona_vibrato.wav",
    "male10/excerpts/vibrato/row_vibrato.wav",
    "female2/arpeggios/vibrado/slow_vibrato_arps.wav",
]
NOISE = ["FULL/.DS_Store", "FULL/female1/scales/belt/._f1_scales_belt_a.wav"]
NOISE += ["__MACOSX/FULL/female1/scales/belt/._f1_scales_belt_a.wav"]
LISTS = {"train": "train_singers_technique.txt", "test": "test_singers_technique.txt"}


def write_audio(folder: Path, clips: list[str], seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for clip in clips:
        (folder / clip).parent.mkdir(exist_ok=True, parents=True)
        soundfile.write(folder / clip, rng.uniform(-0.5, 0.5, RATE + 100), RATE)


def write_corpus(folder):
    write_audio(folder / "FULL", [*CLIPS, *ODD, *OTHER, *TO_DELETE])
    for path in NOISE:
        (folder / path).parent.mkdir(exist_ok=True, parents=True)
        (folder / path).write_bytes(b"\0\5\x16\7\0")
    (folder / LISTS["train"]).write_text("\n".join(TRAIN_SINGERS))
    (folder / LISTS["test"]).write_text("\n".join(TEST_SINGERS))


@pytest.fixture
def root(tmp_path):
    return made_once(write_corpus, tmp_path / "vocalset")


@pytest.fixture
def make(root):
    def make_dataset(**settings):
        defaults = {"root": root, "cache": root.parent / "cache", "num_workers": 1}
        return VocalSet(**(defaults | {"features": FEATURES} | settings))

    return make_dataset


def named(corpus):
    """Class of each clip, by its path below FULL."""
    names = [corpus.classes[column] for column in corpus.y.argmax(axis=1)]
    return dict(zip((clip.split("/", 1)[1] for clip in corpus.clip_ids), names, strict=True))


@pytest.mark.parametrize("features", [FEATURES, Waveform(RATE)])
def test_techniques_are_split_by_the_singers_of_the_lists(make, root, features):
    corpus = check_corpus(make(features=features).load())
    assert corpus.classes == TECHNIQUES
    assert corpus.task == "multi_class"
    expected = {clip: clip.split("/")[2] for clip in CLIPS}
    expected |= {clip: technique for clip, (_, technique) in ODD.items()}
    assert named(corpus) == expected
    assert corpus.mask.all()
    singers = [clip.split("/")[1] for clip in corpus.clip_ids]
    assert corpus.groups.tolist() == singers
    assert corpus.split.tolist() == ["train" if s in TRAIN_SINGERS else "test" for s in singers]
    samples = read_audio(root / corpus.clip_ids[3], RATE)
    if features is FEATURES:
        np.testing.assert_array_equal(corpus.x[3], FEATURES(samples))
    else:
        read = corpus.x.read(np.array([3]), np.array([0]), len(samples))
        np.testing.assert_allclose(read[0], samples)


def test_singers_are_those_of_the_folders(make):
    corpus = make(target="singer").load()
    assert corpus.classes == SINGERS
    assert SINGERS[8:10] == ("female9", "male1")
    assert SINGERS[19] == "male11"
    expected = {clip: clip.split("/")[0] for clip in CLIPS + OTHER}
    expected |= {clip: singer for clip, (singer, _) in ODD.items()}
    assert named(corpus) == expected


def test_the_singers_lists_are_not_read_for_singers(make, root):
    for name in LISTS.values():
        (root / name).unlink()
    assert len(make(target="singer").annotations().paths) == len(CLIPS) + len(ODD) + len(OTHER)


@pytest.mark.parametrize("target", ["technique", "singer"])
def test_the_five_files_are_left_out_and_noise_is_skipped(make, target):
    annotations = make(target=target).annotations()
    assert set(annotations.left_out) == {f"FULL/{clip}" for clip in TO_DELETE}
    assert not any("._" in path or "__MACOSX" in path for path in annotations.paths)


def test_the_command_counts_what_is_left_out(root, capsys):
    arguments = ["--root", str(root), "--cache", str(root.parent / "c"), "--num-workers", "1"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "34 clips: 20 train, 14 test" in shown
    assert "left out because they are broken or wrong: 5" in shown
    assert "cannot be decoded: 0" in shown
    assert "other audio files, not used: 2" in shown  # of the other techniques
    assert main([*arguments, "--target", "singer"]) == 0
    assert "36 clips" in capsys.readouterr().out


def test_a_copy_stays_with_its_original(make, root):
    originals = [f"female2/scales/straight/f2_scales_straight_{n}.wav" for n in range(40)]
    copies = [clip.replace(".wav", "(1).wav") for clip in originals]
    write_audio(root / "FULL", originals + copies)
    annotations = make(target="singer").annotations()
    place = {path: row for row, path in enumerate(annotations.paths)}
    for original, copy in zip(originals, copies, strict=True):
        one, other = place[f"FULL/{original}"], place[f"FULL/{copy}"]
        assert annotations.split[one] == annotations.split[other]
        assert annotations.groups[one] == annotations.groups[other]
    assert len(set(annotations.groups)) == len(annotations.paths) - 40
    assert {annotations.split[place[f"FULL/{clip}"]] for clip in originals} == {
        "train",
        "val",
        "test",
    }


def test_the_drawn_split_depends_on_the_path_alone(make, root, tmp_path):
    before = make(target="singer").annotations()
    (root / "FULL" / CLIPS[0]).unlink()
    (root / "FULL").rename(root / "data_by_singer")  # as version 1.2 has it
    moved = VocalSet(root=root.rename(tmp_path / "moved"), target="singer").annotations()
    split_of = dict(zip(before.paths, before.split, strict=True))
    assert len(moved.paths) == len(before.paths) - 1
    for path, split in zip(moved.paths, moved.split, strict=True):
        assert split == split_of[path.replace("data_by_singer", "FULL")]


def test_a_file_in_an_unknown_folder_is_left_out_and_said(make, root):
    odd = ["female1/scales/humming/a.wav", "female12/scales/belt/a.wav", "female1/belt/a.wav"]
    write_audio(root / "FULL", odd)
    left_out = make().annotations().left_out
    for path in odd:
        assert left_out[f"FULL/{path}"].startswith("is not in a folder SINGER/EXERCISE/TECH")


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("female1\nmale12", r"line 2 of .*train_singers_technique\.txt is 'male12', not a singer"),
        ("female1\nf2", r"line 2 of .* is 'f2', not a singer like female1"),
        ("female1", r"names male11; download VocalSet11\.zip"),
        ("female1\nmale11\nfemale1", r"line 3 of .* names female1, who is already in train"),
        ("female1\nmale11\nfemale2", r"test_singers_technique\.txt names female2, .* in train"),
        ("\n", r"train_singers_technique\.txt is empty"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a git-LFS pointer"),
        (None, r"train_singers_technique\.txt is missing"),
    ],
)
def test_a_wrong_list_is_named(make, root, train, message):
    path = root / LISTS["train"]
    path.unlink() if train is None else path.write_text(train)
    with pytest.raises(InputError, match=message):
        make().load()


def test_a_file_that_is_no_sound_is_named_or_skipped(make, root, caplog):
    (root / "FULL" / CLIPS[0]).write_bytes(b"")
    with pytest.raises(InputError, match=rf"1 of 34 files .*{CLIPS[0]} is empty"):
        make().load()
    with caplog.at_level(logging.WARNING, logger="musicssl"):
        assert len(make(unreadable="skip").load().clip_ids) == 33
    assert "1 of 34 files" in caplog.text


@pytest.mark.parametrize(
    ("below", "message"),
    [
        ("FULL", r"FULL is one level too low: vocalset is in .*vocalset; set data\.root="),
        ("FULL/female1", r"female1 does not contain vocalset: it has none of FULL, data_by_singer"),
        ("", r"one level too high: vocalset is in .*mine"),
    ],
)
def test_a_root_at_the_wrong_level_is_reported(make, root, below, message):
    wrong = root / below if below else root.rename(root.parent / "mine").parent
    with pytest.raises(InputError, match=message):
        make(root=wrong).load()


def test_a_folder_without_recordings_is_reported(make, root):
    shutil.rmtree(root / "FULL")
    (root / "FULL").mkdir()
    with pytest.raises(InputError, match=r"FULL has no recording with a technique"):
        make().load()


def test_an_unknown_target_is_reported(make):
    with pytest.raises(InputError, match=r"target must be technique or singer, got 'vowel'"):
        make(target="vowel").load()


@pytest.fixture(scope="module")
def marble(shared_data, tmp_path_factory):
    """The recordings that MARBLE's lists of chunks are cut from, without their sound."""
    lists = shared_data / "annotations" / "vocalset"
    folder = tmp_path_factory.mktemp("vocalset")
    for name in LISTS.values():
        shutil.copy(lists / name, folder)
    for chunk in recordings(lists / "marble_split", "s"):
        technique, name = chunk.split("/")
        singer = {"f": "female", "m": "male"}[name[0]] + name.split("_")[0][1:]
        path = folder / "FULL" / singer / "some" / technique / f"{name}.wav"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    return folder


def recordings(folder: Path, target: str, parts=("train", "valid", "test")) -> set[str]:
    """Chunk lists hold lines like belt/f1_arpeggios_belt_c_a_00.wav."""
    lines = [(folder / f"{part}_{target}.txt").read_text().splitlines() for part in parts]
    return {chunk.rsplit("_", 1)[0] for part in lines for chunk in part}


def test_the_real_lists_of_singers(marble, shared_data):
    lists = shared_data / "annotations" / "vocalset" / "marble_split"
    annotations = VocalSet(root=marble).annotations()
    found = {
        split: {
            "/".join(Path(path).parts[-2:]).removesuffix(".wav")
            for path in np.array(annotations.paths)[annotations.split == split]
        }
        for split in ("train", "test")
    }
    assert found["train"] == recordings(lists, "t", ("train", "valid"))
    assert found["test"] == recordings(lists, "t", ("test",))
    assert "val" not in annotations.split
    singers = {
        split: set(annotations.groups[annotations.split == split]) for split in ("train", "test")
    }
    assert len(singers["train"]) == 15
    assert singers["test"] == {"female2", "female8", "male3", "male5", "male10"}
    assert singers["train"] | singers["test"] == set(SINGERS)
    assert not singers["train"] & singers["test"]


def test_the_drawn_split_has_its_shares_and_every_singer(marble):
    annotations = VocalSet(root=marble, target="singer").annotations()
    count = len(annotations.paths)
    assert count == 3062
    assert {Path(path).parts[3] for path in annotations.paths} == {*TECHNIQUES, *OTHER_TECHNIQUES}
    sizes = Counter(annotations.split.tolist())
    shares = {"test": TEST_SHARE, "val": VAL_SHARE, "train": 1 - TEST_SHARE - VAL_SHARE}
    for split, share in shares.items():  # a binomial's three standard deviations
        assert abs(sizes[split] - share * count) < 3 * np.sqrt(count * share * (1 - share))
        assert annotations.y[annotations.split == split].sum(axis=0).min() >= 15
    # by hand: sha256sum of female1/some/belt/f1_arpeggios_belt_c_a.wav starts with 1d, and
    # 0x1d / 256 = 0.11 is below the share of the test set
    clip = annotations.paths.index("FULL/female1/some/belt/f1_arpeggios_belt_c_a.wav")
    assert annotations.split[clip] == "test"
