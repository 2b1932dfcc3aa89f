import gzip

import numpy as np
import pytest
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.datasets.mtg_jamendo import (
    CLASSES,
    FILES,
    GENRES,
    INSTRUMENTS,
    MOODS_AND_THEMES,
    TOP50,
    MTGJamendo,
    main,
)
from musicssl.errors import InputError
from tests.support.made_once import made_once
from tests.support.quick import slow_after

FEATURES = LogMel(sample_rate=8_000, num_mels=16, n_fft=512)
HEAD = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"

# number, artist, tags
SONGS = {
    "train": [
        (214, "artist_000014", ["genre---rock", "instrument---guitar", "mood/theme---happy"]),
        (1014, "artist_000015", ["genre---jazz"]),
    ],
    "validation": [(7, "artist_000016", ["instrument---piano", "genre---rock"])],
    "test": [(1234567, "artist_000017", ["genre---metal"])],
}


def stem(number):
    return f"{number % 100:02d}/{number}"


def write_splits(repository, songs=SONGS, split=0, subset="top50tags"):
    """Lines end in CR LF, and hold one cell for each tag."""
    folder = repository / "data" / "splits" / f"split-{split}"
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in songs.items():
        lines = [HEAD]
        for number, artist, tags in rows:
            start = [f"track_{number:07d}", artist, "album_000031", f"{stem(number)}.mp3", "151.4"]
            lines.append("\t".join([*start, *tags]))
        text = "".join(f"{line}\r\n" for line in lines)
        (folder / f"autotagging_{subset}-{part}.tsv").write_bytes(text.encode())


def write_audio(folder, ending=".mp3", seconds=2):
    for rows in SONGS.values():
        for number, _, _ in rows:
            path = folder / f"{stem(number)}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            sine = 0.3 * np.sin(np.arange(seconds * 44_100) / 9)
            soundfile.write(path, np.stack([sine, sine], axis=1), 44_100)


def write_corpus(folder):
    write_splits(folder)
    write_audio(folder / "audio")


@pytest.fixture
def root(tmp_path):
    return made_once(write_corpus, tmp_path / "mtg-jamendo-dataset")


@pytest.fixture
def make(root, tmp_path):
    def make_dataset(**settings):
        defaults = {"root": root, "cache": tmp_path / "cache", "features": FEATURES}
        return MTGJamendo(**(defaults | {"num_workers": 1} | settings))

    return make_dataset


def test_the_corpus_is_what_the_tables_say(make):
    corpus = make().load()
    assert corpus.classes == TOP50
    assert corpus.clip_ids.tolist() == [
        "14/214.mp3", "14/1014.mp3", "07/7.mp3", "67/1234567.mp3",
    ]  # fmt: skip
    given = [sorted(TOP50[column] for column in np.flatnonzero(row)) for row in corpus.y]
    assert given == [
        ["genre---rock", "instrument---guitar", "mood/theme---happy"],
        ["genre---jazz"],
        ["genre---rock", "instrument---piano"],
        ["genre---metal"],
    ]
    assert corpus.mask.all()
    assert corpus.split.tolist() == ["train", "train", "val", "test"]
    assert corpus.groups.tolist() == [f"artist_0000{number}" for number in (14, 15, 16, 17)]
    assert corpus.x.shape == (4, 2, 16)


@pytest.mark.parametrize(
    ("place", "ending"),
    [
        ("audio", ".mp3"),
        ("audio-low", ".low.mp3"),
        ("audios", ".mp3"),
        ("", ".low.flac"),
        ("../audio-low", ".low.mp3"),
        ("..", ".wav"),
    ],
)
def test_recordings_are_found_where_users_put_them(tmp_path, place, ending):
    repository = tmp_path / "all" / "mtg-jamendo-dataset"
    write_splits(repository)
    write_audio(repository / place, ending)
    for root in (repository, tmp_path / "all"):
        dataset = MTGJamendo(root, Waveform(16_000), tmp_path / "cache", num_workers=1)
        corpus = dataset.load()
        assert corpus.clip_ids.tolist()[0] == f"14/214{ending}"
        assert np.abs(corpus.x.lengths - 32_000).max() < 3_000  # an MP3 encoder pads
        assert len(dataset.audio("07/7" + ending)[0]) == corpus.x.lengths[2]


def test_recordings_may_be_anywhere(make, tmp_path):
    write_audio(tmp_path / "disk" / "raw_30s", ".low.wav", seconds=3)
    corpus = make(audio_root=tmp_path / "disk" / "raw_30s").load()
    assert corpus.clip_ids.tolist()[0] == "14/214.low.wav"
    assert corpus.x.shape == (4, 3, 16)


def test_another_split_and_subset_are_other_files(make, root):
    songs = {
        "train": [(214, "artist_000014", ["mood/theme---ballad"])],
        "validation": [(1014, "artist_000015", ["mood/theme---sad"])],
        "test": [(7, "artist_000016", ["mood/theme---dark"])],
    }
    write_splits(root, songs, split=3, subset="moodtheme")
    corpus = make(split=3, subset="moodtheme").load()
    assert corpus.classes == MOODS_AND_THEMES
    assert corpus.clip_ids.tolist() == ["14/214.mp3", "14/1014.mp3", "07/7.mp3"]
    assert corpus.y.argmax(axis=1).tolist() == [4, 44, 11]


def test_a_missing_recording_is_reported_or_left_out(make, root):
    (root / "audio" / "07" / "7.mp3").unlink()
    with pytest.raises(InputError, match=r"1 of 4 files .* 07/7\.mp3 is missing"):
        make().load()
    assert len(make(unreadable="skip").load().clip_ids) == 3


def test_the_command_shows_what_is_found(root, tmp_path, capsys):
    (root / "audio" / "07" / "7.mp3").unlink()
    (root / "audio" / "14" / "214.mp3").write_bytes(b"")
    (root / "audio" / "14" / "99914.mp3").touch()
    arguments = ["--root", str(root), "--cache", str(tmp_path / "c"), "--num-workers", "1"]
    assert main([*arguments, "--subset", "top50", "--split", "0"]) == 0
    shown = capsys.readouterr().out
    assert "2 clips: 1 train, 1 test" in shown
    assert "annotated but missing: 1\n  07/7.mp3 is missing" in shown
    assert "cannot be decoded: 1\n  14/214.mp3 is empty (0 bytes)" in shown
    assert "other audio files, not used: 1" in shown


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"root": None}, r"needs data\.root=DIR"),
        ({"subset": "mood"}, r"dataset\.subset must be one of top50, genre, instrument, moodtheme"),
        ({"split": 5}, r"dataset\.split must be from 0 to 4, got 5"),
        ({"split": 1}, r"split-1/autotagging_top50tags-train\.tsv is missing"),
        ({"subset": "genre"}, r"autotagging_genre-train\.tsv is missing"),
        ({"audio_root": "low"}, r"low is not a folder; set dataset\.audio_root"),
    ],
)
def test_a_wrong_setting_is_reported(make, settings, message):
    with pytest.raises(InputError, match=message):
        make(**settings).load()


def test_a_root_one_level_off_is_reported(make, root, tmp_path):
    with pytest.raises(InputError, match="audio is one level too low: mtg_jamendo is in"):
        make(root=root / "audio").load()
    root.rename(tmp_path / "jamendo")
    with pytest.raises(InputError, match=r"is one level too high: mtg_jamendo is in .*jamendo"):
        make(root=tmp_path).load()


def test_a_folder_without_audio_is_reported(make, root):
    (root / "audio").rename(root / "sound")
    with pytest.raises(InputError, match=r"none of the 4 recordings .* not even 14/214\.mp3"):
        make().load()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tgenre---jazz", "", r"line 3 of .*-train\.tsv is not a song .* at least one tag"),
        ("14/1014.mp3", "1014.mp3", r"line 3 of .*-train\.tsv is not a song"),
        ("14/1014.mp3", "../1014.mp3", r"line 3 of .*-train\.tsv is not a song"),
        (
            "genre---jazz",
            "genre---jaz",
            r"line 3 of .* has the tag 'genre---jaz', which is not one",
        ),
        ("ARTIST_ID", "ARTIST", "does not start with the columns TRACK_ID ARTIST_ID"),
        ("\t", ",", "does not start with the columns"),
        ("TRACK_ID", "version https://git-lfs.github.com/spec/v1\n", "is a git-LFS pointer"),
    ],
)
def test_a_malformed_table_is_reported(make, root, old, new, message):
    table = root / "data" / "splits" / "split-0" / "autotagging_top50tags-train.tsv"
    content = table.read_bytes().decode()
    assert old in content
    table.write_bytes(content.replace(old, new).encode())
    with pytest.raises(InputError, match=message):
        make().load()


def test_a_table_without_songs_is_reported(make, root):
    write_splits(root, {"test": []})
    with pytest.raises(InputError, match=r"top50tags-test\.tsv names no song"):
        make().load()


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    """The repository's split 0, its compressed files unpacked."""
    source = shared_data / "annotations" / "mtg-jamendo" / "data"
    root = tmp_path_factory.mktemp("real")
    folder = root / "data" / "splits" / "split-0"
    folder.mkdir(parents=True)
    for path in sorted((source / "splits" / "split-0").iterdir()):
        if path.suffix == ".gz":
            (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        else:
            (folder / path.name).symlink_to(path)
    return source, root


@pytest.mark.parametrize(
    ("subset", "sizes"),
    slow_after(
        1,
        [
            ("moodtheme", [9_949, 3_802, 4_231]),
            ("top50", [32_136, 10_888, 11_356]),
            ("genre", [32_572, 11_043, 11_479]),
            ("instrument", [14_395, 5_466, 5_115]),
        ],
    ),
)
def test_real_splits(real, subset, sizes):
    _, root = real
    found = MTGJamendo(root, subset=subset).annotations()
    assert [int((found.split == split).sum()) for split in ("train", "val", "test")] == sizes
    assert len(set(found.paths)) == sum(sizes)
    artists = [set(found.groups[found.split == split]) for split in ("train", "val", "test")]
    assert not artists[0] & artists[1] | artists[0] & artists[2] | artists[1] & artists[2]
    for split, part in (("train", "train"), ("val", "validation"), ("test", "test")):
        tags = found.y[found.split == split].sum(axis=0)
        table = root / "data" / "splits" / "split-0" / f"{FILES[subset]}-{part}.tsv"
        text = table.read_bytes().decode().replace("\r\n", "\t")
        cells = text.split("\t")
        counted = [cells.count(tag) for tag in found.classes]
        assert tags.tolist() == counted
        assert min(counted) > 0


def test_real_class_orders_are_those_of_the_lists(real):
    source, _ = real
    lists = source / "tags"
    assert list(TOP50) == (lists / "top50.txt").read_text().split()
    assert list(MOODS_AND_THEMES) == (lists / "moodtheme_split.txt").read_text().split()
    assert len((lists / "moodtheme.txt").read_text().split()) == 59
    assert [len(CLASSES[subset]) for subset in CLASSES] == [50, 87, 40, 56]
    for classes in (GENRES, INSTRUMENTS, MOODS_AND_THEMES):
        assert list(classes) == sorted(set(classes))


def test_a_real_recording_as_mirdata_lays_it_out(shared_data, tmp_path):
    source = shared_data / "annotations" / "mirdata-test-resources"
    root = source / "mtg_jamendo_autotagging_moodtheme"
    for subfolder in ("data", "audios"):
        (tmp_path / subfolder).symlink_to(root / subfolder)
    dataset = MTGJamendo(
        tmp_path, Waveform(), tmp_path / "cache", "skip", num_workers=1, subset="moodtheme"
    )
    corpus = dataset.load()
    assert "48/948.mp3" in corpus.clip_ids
    row = corpus.clip_ids.tolist().index("48/948.mp3")
    assert corpus.y[row, MOODS_AND_THEMES.index("mood/theme---background")] == 1
    assert corpus.x.lengths[row] > 16_000
