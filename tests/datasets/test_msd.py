import numpy as np
import pytest
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.datasets.msd import CLASSES, MSD, main
from musicssl.errors import InputError
from tests.support.made_once import made_once

FEATURES = LogMel(sample_rate=8_000, num_mels=16, n_fft=512)

# 7digital number: where its file is, tags
CLIPS = {
    "train": {
        "6010476": ("6/0/6010476", ["rock", "Hip-Hop"]),
        "599": ("5/9/599", ["happy"]),
        "18213": ("1/8/18213", ["pop"]),
    },
    "valid": {"3974574": ("3/9/3974574", ["jazz"])},
    "test": {"2351046": ("2/3/2351046", ["rock"])},
}


def write_split(folder, clips=CLIPS):
    folder.mkdir(parents=True, exist_ok=True)
    for part, numbers in clips.items():
        (folder / f"{part}_x_7d_id.txt").write_text("".join(f"{n}\n" for n in numbers))
        tags = [[name in given for name in CLASSES] for _, given in numbers.values()]
        np.save(folder / f"{part}_y.npy", np.array(tags, bool))


def write_audio(folder, ending=".clip.mp3"):
    for numbers in CLIPS.values():
        for stem, _ in numbers.values():
            path = folder / f"{stem}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            sound = 0.3 * np.sin(np.arange(2 * 22_050) / 9)
            soundfile.write(path, sound, 22_050, format=ending.split(".")[-1])


def write_corpus(folder):
    write_split(folder)
    write_audio(folder / "audio")


@pytest.fixture
def root(tmp_path):
    return made_once(write_corpus, tmp_path / "MSD_split_for_tagging")


@pytest.fixture
def make(root, tmp_path):
    def make_dataset(**settings):
        defaults = {"root": root, "cache": tmp_path / "cache", "features": FEATURES}
        return MSD(**(defaults | {"num_workers": 1} | settings))

    return make_dataset


def test_the_corpus_is_what_the_files_say(make):
    corpus = make().load()
    assert corpus.classes == CLASSES
    assert corpus.clip_ids.tolist() == [
        f"{stem}.clip.mp3" for numbers in CLIPS.values() for stem, _ in numbers.values()
    ]
    given = [{CLASSES[column] for column in np.flatnonzero(row)} for row in corpus.y]
    assert given == [{"rock", "Hip-Hop"}, {"happy"}, {"pop"}, {"jazz"}, {"rock"}]
    assert corpus.y.dtype == np.float32
    assert corpus.mask.all()
    assert corpus.split.tolist() == ["train", "train", "train", "val", "test"]
    assert corpus.groups is None
    assert corpus.x.shape == (5, 2, 16)


@pytest.mark.parametrize(
    ("place", "ending"),
    [("audio", ".clip.mp3"), ("", ".mp3"), ("../audio", ".wav"), ("../clips", ".flac")],
)
def test_recordings_are_found_in_the_folder_or_beside_it(tmp_path, place, ending):
    split = tmp_path / "all" / "MSD_split_for_tagging"
    write_split(split)
    write_audio(split / place, ending)
    for root in (split, tmp_path / "all"):
        dataset = MSD(root, Waveform(16_000), tmp_path / "cache", num_workers=1)
        corpus = dataset.load()
        assert corpus.clip_ids.tolist()[0] == f"6/0/6010476{ending}"
        assert np.abs(corpus.x.lengths - 32_000).max() < 3_000  # an MP3 encoder pads
        assert len(dataset.audio(f"5/9/599{ending}")[0]) == corpus.x.lengths[1]


def test_recordings_may_be_anywhere(make, tmp_path):
    write_audio(tmp_path / "disk", ".wav")
    corpus = make(audio_root=tmp_path / "disk", features=Waveform()).load()
    assert corpus.clip_ids.tolist()[0] == "6/0/6010476.wav"
    assert corpus.x.lengths.tolist() == [32_000] * 5


def test_clips_listed_as_invalid_are_left_out_and_counted(make, root):
    (root / "train_x_7d_invalid_audio_id.txt").write_text("599\n6118183\n")
    (root / "train_x_7d_bad_duration_id.txt").write_text("18213\n")
    annotations = make().annotations()
    assert annotations.left_out == {
        "5/9/599.clip.mp3": "is listed in train_x_7d_invalid_audio_id.txt"
    }
    corpus = make().load()
    assert "5/9/599.clip.mp3" not in corpus.clip_ids
    assert len(corpus.clip_ids) == 4
    assert corpus.y[1, CLASSES.index("pop")] == 1


def test_a_missing_or_empty_recording_is_reported_or_left_out(make, root):
    (root / "audio" / "5" / "9" / "599.clip.mp3").unlink()
    (root / "audio" / "1" / "8" / "18213.clip.mp3").write_bytes(b"")
    with pytest.raises(InputError, match=r"2 of 5 files .* is missing, .* is empty"):
        make().load()
    assert len(make(unreadable="skip").load().clip_ids) == 3


def test_the_command_shows_what_is_found(root, tmp_path, capsys):
    (root / "audio" / "5" / "9" / "599.clip.mp3").unlink()
    (root / "audio" / "1" / "8" / "18213.clip.mp3").write_bytes(b"")
    (root / "audio" / "1" / "8" / "18999.clip.mp3").touch()
    (root / "train_x_7d_invalid_audio_id.txt").write_text("6010476\n")
    (root / "audio").rename(tmp_path / "previews")
    arguments = ["--root", str(root), "--audio-root", str(tmp_path / "previews")]
    assert main([*arguments, "--cache", str(tmp_path / "c"), "--num-workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert "2 clips: 1 val, 1 test" in shown
    assert "left out because they are broken or wrong: 1\n  6/0/6010476.clip.mp3 is listed" in shown
    assert "annotated but missing: 1\n  5/9/599.clip.mp3 is missing" in shown
    assert "cannot be decoded: 1\n  1/8/18213.clip.mp3 is empty (0 bytes)" in shown
    assert "other audio files, not used: 1" in shown


def test_a_root_one_level_off_is_reported(make, root, tmp_path):
    with pytest.raises(InputError, match="audio is one level too low: msd is in"):
        make(root=root / "audio").load()
    root.rename(tmp_path / "split")
    with pytest.raises(InputError, match=r"one level too high: msd is in .*split"):
        make(root=tmp_path).load()


def test_absent_audio_is_reported(make, root):
    (root / "audio").rename(root / "previews")
    with pytest.raises(InputError, match=r"not even 6/0/6010476\.clip\.mp3; .*dataset\.audio_root"):
        make().load()
    with pytest.raises(InputError, match=r"absent is not a folder; set dataset\.audio_root"):
        make(audio_root="absent").load()


def test_the_absent_targets_are_reported(make, root):
    (root / "train_y.npy").unlink()
    with pytest.raises(InputError, match=r"train_y\.npy is missing; get it again from https://git"):
        make().load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", r"train_y\.npy is a git-LFS pointer"),
        (b"nothing of the kind", r"train_y\.npy is damaged"),
        (b"", r"train_y\.npy is damaged"),
        (b"\x93NUMPY\x01\0\x0c\0{'descr': (", r"train_y\.npy is damaged"),  # Python's own error
        (np.zeros((3, 49), bool), r"train_y\.npy has bool of shape \(3, 49\), but .* 3 rows of 50"),
        (np.zeros((2, 50), bool), r"train_y\.npy has bool of shape \(2, 50\), but .* 3 rows of 50"),
        (np.full((3, 50), 0.3), r"train_y\.npy has float64 of shape \(3, 50\), but .* 0 or 1"),
        (np.full((3, 50), None), r"train_y\.npy is damaged .*objects"),
    ],
)
def test_malformed_targets_are_reported(make, root, content, message):
    if isinstance(content, bytes):
        (root / "train_y.npy").write_bytes(content)
    else:
        np.save(root / "train_y.npy", content)
    with pytest.raises(InputError, match=message):
        make().load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("6010476\n5/9/599.npy\n", r"line 2 of .*train_x_7d_id\.txt is '5/9/599\.npy', not a 7dig"),
        ("6010476\nTRAADIN128F931D672\n", r"line 2 of .*train_x_7d_id\.txt is 'TRAAD"),
        ("", r"train_x_7d_id\.txt is empty"),
        ("9" * 300, r"train_y\.npy has bool of shape"),
        ("version https://git-lfs.github.com/spec/v1\noid", r"_id\.txt is a git-LFS pointer"),
        ("6010476\n599\n2351046\n", "clip 2351046 of msd is listed twice, for train and for test"),
        ("6010476\n599\n599\n", "clip 599 of msd is listed twice, for train and for train"),
    ],
)
def test_a_malformed_list_is_reported(make, root, content, message):
    (root / "train_x_7d_id.txt").write_text(content)
    with pytest.raises(InputError, match=message):
        make().load()


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    """The repository; of the clips that train only 1,000 are at hand, and not their targets."""
    source = shared_data / "annotations" / "msd"
    root = tmp_path_factory.mktemp("real")
    for part in ("valid", "test"):
        for name in (f"{part}_x_7d_id.txt", f"{part}_y.npy"):
            (root / name).symlink_to(source / name)
    (root / "train_x_7d_id.txt").symlink_to(source / "train_x_7d_id.head1000.txt")
    np.save(root / "train_y.npy", np.ones((1_000, 50), bool))
    return source, root


def test_real_split(real):
    source, root = real
    found = MSD(root).annotations()
    sizes = [int((found.split == split).sum()) for split in ("train", "val", "test")]
    assert sizes == [1_000, 12_634, 28_540]
    for split, part in (("val", "valid"), ("test", "test")):
        rows = np.flatnonzero(found.split == split)
        names = (source / f"{part}_x_filename.txt").read_text().split()
        assert [found.paths[row].removesuffix(".clip.mp3") for row in rows] == [
            name.removesuffix(".npy") for name in names
        ]
        np.testing.assert_array_equal(found.y[rows], np.load(source / f"{part}_y.npy"))
        assert found.y[rows].any(axis=1).all()
    assert found.mask.all()


def test_real_train_names_are_those_of_the_list(real):
    source, root = real
    found = MSD(root).annotations()
    names = (source / "train_x_filename.head1000.txt").read_text().split()
    assert [path.replace(".clip.mp3", ".npy") for path in found.paths[:1_000]] == names


def test_real_class_order_is_that_of_the_field(real):
    source, root = real
    assert list(CLASSES) == (source / "tags50.txt").read_text().splitlines()
    musicnn = (source / "musicnn_output_labels_msd.txt").read_text()
    listed = musicnn.split("[")[1].split("]")[0].replace("'", "").split(",")
    assert list(CLASSES) == [name.strip() for name in listed]
    found = MSD(root).annotations()
    test = found.y[found.split == "test"].sum(axis=0)
    assert CLASSES[int(test.argmax())] == "rock"
