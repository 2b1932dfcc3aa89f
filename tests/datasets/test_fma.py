import csv
from pathlib import Path
from zipfile import ZIP_BZIP2

import numpy as np
import pytest
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.datasets.base.download import Archive
from musicssl.datasets.fma import ARCHIVES, CUT_WRONGLY, FMA, download, main
from musicssl.errors import InputError
from tests.support.publisher import Publisher, files_in

FEATURES = LogMel(sample_rate=8_000, num_mels=16, n_fft=512)
# number: split, subset, artist
TRACKS = {
    2: ("training", "small", "1"),
    5: ("training", "small", "1"),
    1486: ("training", "medium", "5"),  # cut wrongly
    2010: ("validation", "medium", "6"),
    99134: ("training", "small", "7"),  # cut wrongly
    140_999: ("test", "large", "8"),
}
MEMBERS = {
    "metadata": {"fma_metadata/tracks.csv": b",album\n", "fma_metadata/README.txt": b"read"},
    "small": {"fma_small/000/000002.mp3": b"small", "fma_small/checksums": b""},
    "medium": {"fma_medium/000/000002.mp3": b"medium"},
}


def write_table(root, tracks=TRACKS):
    """As pandas writes it: two lines of heads, one that names the index, quotes where need be."""
    (root / "fma_metadata").mkdir(parents=True, exist_ok=True)
    upper = ["", "album", "artist", "artist", "set", "set", "track"]
    lower = ["", "id", "bio", "id", "split", "subset", "title"]
    rows = [upper, lower, ["track_id", *[""] * 6]]
    for number, (split, subset, artist) in tracks.items():
        rows.append([number, "4", "<p>Born,\nraised</p>", artist, split, subset, 'A "song", 2'])
    with (root / "fma_metadata" / "tracks.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_audio(root, subset, numbers, ending=".mp3"):
    for number in numbers:
        path = root / f"fma_{subset}" / f"{number:06d}"[:3] / f"{number:06d}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        rate = 44_100 if number % 2 else 22_050
        sound = 0.3 * np.sin(np.arange(2 * rate) / 9)
        soundfile.write(path, sound if number % 2 else np.stack([sound, sound], axis=1), rate)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "fma"
    write_audio(root, "small", [2, 5])
    (root / "fma_small" / "099").mkdir()
    (root / "fma_small" / "099" / "099134.mp3").write_bytes(b"ID3")
    (root / "fma_small" / "README.txt").write_text("Free Music Archive")
    return root


@pytest.fixture
def make(root, tmp_path):
    def make_dataset(**settings):
        defaults = {"root": root, "cache": tmp_path / "cache", "features": FEATURES}
        return FMA(**(defaults | {"num_workers": 1} | settings))

    return make_dataset


def test_without_a_table_every_file_trains_and_is_unlabelled(make):
    corpus = make().load()
    assert corpus.classes == ()
    assert corpus.y.shape == corpus.mask.shape == (2, 0)
    assert corpus.clip_ids.tolist() == ["fma_small/000/000002.mp3", "fma_small/000/000005.mp3"]
    assert corpus.split.tolist() == ["train", "train"]
    assert corpus.groups is None
    assert corpus.x.shape == (2, 2, 16)
    assert make().annotations().left_out == {
        "fma_small/099/099134.mp3": "was cut at the end of its song or after it"
    }


def test_splits_and_artists_are_those_of_the_table(make, root):
    write_table(root)
    write_audio(root, "large", [2, 5, 2010, 140_999])
    corpus = make(subset="large").load()
    assert corpus.clip_ids.tolist() == [
        "fma_large/000/000002.mp3",
        "fma_large/000/000005.mp3",
        "fma_large/002/002010.mp3",
        "fma_large/140/140999.mp3",
    ]
    assert corpus.split.tolist() == ["train", "train", "val", "test"]
    assert corpus.groups.tolist() == ["1", "1", "6", "8"]


@pytest.mark.parametrize(
    ("subset", "used", "left_out"),
    [
        ("small", [2, 5], [99134]),
        ("medium", [2, 5, 2010], [1486, 99134]),
        ("large", [2, 5, 2010, 140_999], [1486, 99134]),
        ("full", [2, 5, 1486, 2010, 99134, 140_999], []),
    ],
)
def test_a_subset_lies_within_the_next_and_whole_songs_are_not_cut(
    make, root, subset, used, left_out
):
    write_table(root)
    (root / f"fma_{subset}").mkdir(exist_ok=True)
    found = make(subset=subset).annotations()
    assert [int(path[-10:-4]) for path in found.paths] == used
    assert [int(path[-10:-4]) for path in found.left_out] == left_out


def test_sound_is_read_whatever_its_rate_and_channels(make):
    dataset = make(features=Waveform(16_000))
    corpus = dataset.load()
    assert np.abs(corpus.x.lengths - 32_000).max() < 3_000  # an MP3 encoder pads
    stretch = corpus.x.read(np.array([1, 0]), np.array([0, 0]), 8_000)
    assert stretch.shape == (2, 8_000)
    for row, clip in enumerate(["fma_small/000/000005.mp3", "fma_small/000/000002.mp3"]):
        whole, rate = dataset.audio(clip)
        assert rate == 16_000
        np.testing.assert_allclose(stretch[row], whole[:8_000], atol=2e-3)


def test_converted_recordings_are_found(make, tmp_path):
    root = tmp_path / "converted"
    write_audio(root, "medium", [2, 2010], ".flac")
    assert make(root=root).load().clip_ids.tolist() == [
        "fma_medium/000/000002.flac",
        "fma_medium/002/002010.flac",
    ]
    write_table(root, {number: TRACKS[number] for number in (2, 2010)})
    assert make(root=root).load().split.tolist() == ["train", "val"]
    with pytest.raises(InputError, match=r"not even fma_medium/000/000002\.ogg"):
        make(root=root, ending=".ogg").load()


def test_a_missing_recording_is_reported_or_left_out(make, root):
    write_table(root)
    (root / "fma_small" / "000" / "000005.mp3").unlink()
    with pytest.raises(InputError, match=r"1 of 2 files .* fma_small/000/000005\.mp3 is missing"):
        make().load()
    assert len(make(unreadable="skip").load().clip_ids) == 1


def test_the_command_shows_what_is_found(root, tmp_path, capsys):
    write_table(root, TRACKS | {10: ("test", "small", "9"), 11: ("test", "small", "9")})
    (root / "fma_small" / "000" / "000011.mp3").write_bytes(b"ID3")
    (root / "fma_small" / "000" / "000012.mp3").touch()
    arguments = ["--root", str(root), "--cache", str(tmp_path / "c"), "--num-workers", "1"]
    assert main([*arguments, "--subset", "small"]) == 0
    shown = capsys.readouterr().out
    assert "2 clips: 2 train" in shown
    assert "left out because they are broken or wrong: 1\n  fma_small/099/099134.mp3 was" in shown
    assert "annotated but missing: 1\n  fma_small/000/000010.mp3 is missing" in shown
    assert "cannot be decoded: 1\n  fma_small/000/000011.mp3" in shown
    assert "other audio files, not used: 1" in shown


def test_the_subset_must_be_clear(make, root):
    (root / "fma_full").mkdir()
    with pytest.raises(InputError, match=r"2 subsets of fma; .* dataset\.subset=small or data"):
        make().load()
    with pytest.raises(InputError, match=r"has no fma_large; put it there, or choose dataset\.sub"):
        make(subset="large").load()
    with pytest.raises(InputError, match=r"dataset\.subset must be one of small, medium, large"):
        make(subset="tiny").load()
    assert len(make(subset="small").load().clip_ids) == 2


def test_a_subset_without_recordings_is_reported(make, root):
    (root / "fma_medium").mkdir()
    (root / "fma_medium" / "song.mp3").touch()
    with pytest.raises(InputError, match=r"fma_medium has no file like 000/000002\.mp3"):
        make(subset="medium").load()


def test_a_root_one_level_off_is_reported(make, root, tmp_path):
    with pytest.raises(InputError, match="fma_small is one level too low: fma is in"):
        make(root=root / "fma_small").load()
    assert make(root=tmp_path).load().clip_ids.tolist() == make().load().clip_ids.tolist()
    root.rename(tmp_path / "archive")
    with pytest.raises(InputError, match=r"one level too high: fma is in .*archive"):
        make(root=tmp_path).load()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\n5,4", "\n5", r"line 7 of .*tracks\.csv is not a track with 7 cells"),
        ("\n5,4", "\nfive,4", r"line 7 of .*tracks\.csv is not a track"),
        ("\n5,4", f"\n{'5' * 5_000},4", r"line 7 of .*tracks\.csv is not a track"),
        (
            "1,training,small",
            "1,train,small",
            r"line 5 of .* a split of training, validation, test",
        ),
        (",id,bio,id,split,subset,title\r\n", "", "has no column set/split in its first two"),
        (",small,", ",tiny,", r"tracks\.csv names no track of fma_small"),
        (",album", "version https://git-lfs.github.com/spec/v1\n", "is a git-LFS pointer"),
        ('A "', 'A "' + "x" * 200_000, r"tracks\.csv is not a row of a table"),
    ],
)
def test_a_malformed_table_is_reported(make, root, old, new, message):
    write_table(root)
    table = root / "fma_metadata" / "tracks.csv"
    content = table.read_bytes().decode()
    old = old.replace('A "', 'A ""')
    assert old in content
    table.write_bytes(content.replace(old, new).encode())
    with pytest.raises(InputError, match=message):
        make().load()


def test_six_wrong_cuts_are_in_fma_small_as_its_authors_list_them():
    """Issue 44 of the repository names three, issue 8 six in all."""
    assert {99134, 108925, 133297, 98565, 98567, 98569} < set(CUT_WRONGLY)
    assert len(set(CUT_WRONGLY)) == 21


def test_a_real_recording(shared_data, tmp_path):
    source = shared_data / "annotations" / "mirdata-test-resources" / "fma_keys"
    (tmp_path / "fma_full").mkdir()
    (tmp_path / "fma_full" / "000").symlink_to(source / "000")
    write_table(tmp_path, {10: ("training", "small", "6")})
    dataset = FMA(tmp_path, Waveform(), tmp_path / "cache", num_workers=1)
    corpus = dataset.load()
    assert corpus.clip_ids.tolist() == ["fma_full/000/000010.mp3"]
    assert corpus.x.lengths[0] == len(dataset.audio("fma_full/000/000010.mp3")[0]) > 16_000


@pytest.fixture
def archives(publisher: Publisher) -> dict[str, Archive]:
    return {
        name: publisher.zip(f"fma_{name}.zip", members, "sha1", ZIP_BZIP2)
        for name, members in MEMBERS.items()
    }


@pytest.mark.parametrize("subset", ["small", "medium"])
def test_a_subset_comes_with_the_tables(
    publisher: Publisher, archives: dict[str, Archive], tmp_path: Path, subset: str
) -> None:
    download(tmp_path, subset, archives)
    fetched = ["fma_metadata.zip", f"fma_{subset}.zip"]
    for name in fetched:
        (tmp_path / name).unlink()
    assert files_in(tmp_path) == MEMBERS["metadata"] | MEMBERS[subset]
    download(tmp_path, subset, archives)
    assert publisher.requests == fetched


def test_an_unknown_subset_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="small, medium, large, full, not 'tiny'"):
        download(tmp_path, "tiny")
    assert list(tmp_path.iterdir()) == []


def test_the_checksums_are_those_of_the_authors(shared_data: Path) -> None:
    lines = (shared_data / "annotations" / "fma" / "checksums.sha1").read_text().splitlines()
    published = {name: f"sha1:{digest}" for digest, name in map(str.split, lines)}
    assert {archive.name: archive.checksum for archive in ARCHIVES.values()} == published
