import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.datasets.emomusic import CLASSES, CLIPS, TABLES, EmoMusic, download, main
from musicssl.errors import InputError
from tests.support.made_once import made_once
from tests.support.publisher import Publisher, files_in

FEATURES = LogMel(sample_rate=8_000, num_mels=16, n_fft=512)
MEANS, DEVIATIONS = (4.7561, 4.9739), (1.3860, 1.2546)  # of jukemir
SONGS = """"song_id","file_name","Artist","Song title","start","Mediaeval 2013 set"
2,"\t2.mp3","Kevin MacLeod\t","\tA, B\t","\t0.5\t","development"
3,"\t3.mp3","Kevin  MacLeod!\t","\tC\t","\t1.21\t","development"
5,"\t5.mp3","\t65daysofstatic\t","\tD\t","\t1.21\t","development"
10,"\t10.mp3","Somebody\t","\tE\t","\t1.21\t","evaluation"
"""
RATINGS = """song_id,mean_arousal,std_arousal,mean_valence,std_valence
2,3,0.5,2,0.5
3,5,0.5,4,0.5
5,7,0.5,6,0.5
10,9,0.5,4,0.5
"""


@pytest.fixture
def real(shared_data):
    return shared_data / "annotations" / "emomusic"


def number_of(path):
    return path.removeprefix("clips_45seconds/").removesuffix(".mp3")


def test_real_splits_and_targets_are_those_of_jukemir(real):
    annotations = EmoMusic(root=real).annotations()
    published = json.loads((real / "jukemir_splits.json").read_text())
    assert sorted(number_of(path).zfill(4) for path in annotations.paths) == sorted(published)
    for path, y, split in zip(annotations.paths, annotations.y, annotations.split, strict=True):
        known = published[number_of(path).zfill(4)]
        assert known["split"] == {"train": "train", "val": "valid", "test": "test"}[str(split)]
        np.testing.assert_allclose(y, known["y_zscored_arousal_valence"], atol=1e-6)
    counts = [int((annotations.split == split).sum()) for split in ("train", "val", "test")]
    assert counts == [504, 115, 125]


def test_real_targets_are_the_ratings_in_units_of_the_development_set(real):
    annotations = EmoMusic(root=real).annotations()
    assert annotations.task == "regression"
    assert annotations.classes == ("arousal", "valence")
    rows = (real / "static_annotations.csv").read_text().splitlines()[1:]
    ratings = {row.split(",")[0]: row.split(",")[1::2] for row in rows}
    expected = np.array([ratings[number_of(path)] for path in annotations.paths], float)
    np.testing.assert_allclose(annotations.y * DEVIATIONS + MEANS, expected, atol=3e-4)
    development = annotations.y[annotations.split != "test"]
    np.testing.assert_allclose(development.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(development.std(axis=0), 1, atol=1e-5)


def test_real_artists_are_divided_in_development_and_not_by_mediaeval(real):
    annotations = EmoMusic(root=real).annotations()
    train, val, test = (
        set(annotations.groups[annotations.split == split]) for split in ("train", "val", "test")
    )
    assert not train & val
    assert len(test) == 112
    assert len(test & (train | val)) == 53
    tested = annotations.groups[annotations.split == "test"]
    assert np.isin(tested, [*(train | val)]).sum() == 66
    assert not any("\t" in group or not group for group in annotations.groups)


def write_corpus(folder):
    (folder / "clips_45seconds").mkdir(parents=True)
    (folder / "songs_info.csv").write_text(SONGS)
    (folder / "static_annotations.csv").write_text(RATINGS)
    rng = np.random.default_rng(0)
    for number in (2, 3, 5, 10):
        path = folder / "clips_45seconds" / f"{number}.mp3"
        soundfile.write(path, rng.uniform(-0.5, 0.5, 32_000), 16_000)


@pytest.fixture
def root(tmp_path):
    return made_once(write_corpus, tmp_path / "emomusic")


@pytest.fixture
def make(root, tmp_path):
    def make_corpus(**settings):
        defaults = {"root": root, "cache": tmp_path / "cache", "num_workers": 1}
        return EmoMusic(**(defaults | {"features": FEATURES} | settings))

    return make_corpus


def in_order(corpus, column):
    return [
        column[corpus.clip_ids.tolist().index(f"clips_45seconds/{n}.mp3")] for n in (2, 3, 5, 10)
    ]


def test_a_corpus_of_instances(make):
    corpus = make().load()
    assert corpus.classes == CLASSES
    assert corpus.task == "regression"
    scale = np.sqrt(8 / 3)  # of 3, 5, 7, the population
    expected = np.array([[-2, -2], [0, 0], [2, 2], [4, 0]]) / scale
    np.testing.assert_allclose(in_order(corpus, corpus.y), expected, atol=1e-6)
    assert corpus.mask.all()
    assert in_order(corpus, corpus.groups) == [
        "kevin macleod",
        "kevin macleod",
        "daysofstatic",
        "somebody",
    ]
    splits = in_order(corpus, corpus.split)
    assert splits[0] == splits[1]
    assert splits[3] == "test"


def test_a_corpus_of_sound(make):
    corpus = make(features=Waveform(16_000)).load()
    assert len(corpus.clip_ids) == 4
    assert corpus.x.lengths.min() >= 32_000


def test_the_command_counts(root, tmp_path, capsys):
    (root / "clips_45seconds" / "10.mp3").unlink()
    (root / "clips_45seconds" / "4.mp3").touch()
    arguments = ["--root", str(root), "--cache", str(tmp_path / "c"), "--num-workers", "1"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "3 clips: " in shown
    assert "annotated but missing: 1" in shown
    assert "clips_45seconds/10.mp3 is missing" in shown
    assert "other audio files, not used: 1" in shown


def test_a_missing_recording_stops_the_run(make, root):
    (root / "clips_45seconds" / "5.mp3").unlink()
    with pytest.raises(InputError, match=r"1 of 4 files .*5\.mp3 is missing"):
        make().load()


def test_a_root_a_level_off_is_reported(make, root, tmp_path):
    with pytest.raises(InputError, match=f"one level too low.*data.root={root}"):
        make(root=root / "clips_45seconds").load()
    above = root.rename(tmp_path / "mine").parent
    with pytest.raises(InputError, match=r"one level too high.*mine"):
        make(root=above).load()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("songs_info.csv", '"evaluation"', '"eval"', "line 5 .*evaluation, not 'eval'"),
        ("songs_info.csv", "\n3,", "\n2,", "line 3 .* is the second with song_id '2'"),
        ("songs_info.csv", "\n3,", "\n4,", "song '3' is not in both"),
        ("songs_info.csv", "Artist", "Who", "has no column 'Artist'"),
        ("songs_info.csv", '"\tC\t"', '"C","D"', "line 3 .* has 7 cells, not 6"),
        ("static_annotations.csv", "5,7,", "5,nan,", "line 4 .*from 1 to 9, not 'nan'"),
        ("static_annotations.csv", "5,7,", "5,9.5,", "line 4 .*from 1 to 9, not '9.5'"),
        ("static_annotations.csv", "5,7,", "5,,", "line 4 .*from 1 to 9, not ''"),
        ("static_annotations.csv", "s", "version https://git-lfs.github.com/spec/v1\n", "git-LFS"),
    ],
)
def test_malformed_lines_are_reported(make, root, file, old, new, message):
    path = root / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        make().annotations()


def test_targets_without_a_scale_are_reported(make, root):
    (root / "static_annotations.csv").write_text(RATINGS.replace(",4,0.5\n5", ",2,0.5\n5"))
    assert make().annotations().y.shape == (4, 2)  # one difference is enough
    flat = RATINGS.replace("5,0.5,4", "3,0.5,4").replace("7,0.5,6", "3,0.5,6")
    (root / "static_annotations.csv").write_text(flat)
    with pytest.raises(InputError, match="the targets have no scale"):
        make().annotations()


def test_a_missing_file_is_reported(make, root):
    (root / "songs_info.csv").unlink()
    with pytest.raises(InputError, match=r"songs_info\.csv is missing; put it there, or unpack"):
        make().annotations()


def test_tables_and_clips_come_into_one_folder(publisher: Publisher, tmp_path: Path) -> None:
    tables = publisher.tar("annotations.tar.gz", {"./static_annotations.csv": b"1"}, "sha256")
    clips = publisher.tar("clips_45sec.tar.gz", {"clips_45seconds/2.mp3": b"2"}, "sha256")
    download(tmp_path, tables, clips)
    for archive in (tables, clips):
        (tmp_path / archive.name).unlink()
    assert files_in(tmp_path) == {
        "emomusic/clips_45seconds/2.mp3": b"2",
        "emomusic/static_annotations.csv": b"1",
    }
    download(tmp_path, tables, clips)
    assert publisher.requests == ["annotations.tar.gz", "clips_45sec.tar.gz"]


def test_clips_that_failed_are_fetched_by_the_next_run(
    publisher: Publisher, tmp_path: Path
) -> None:
    tables = publisher.tar("annotations.tar.gz", {"songs_info.csv": b"1"}, "sha256")
    clips = publisher.tar("clips_45sec.tar.gz", {"clips_45seconds/2.mp3": b"2"}, "sha256")
    (tmp_path / "emomusic").mkdir()
    (tmp_path / "emomusic" / "songs_info.csv").write_bytes(b"1")
    download(tmp_path, tables, clips)
    assert publisher.requests == ["clips_45sec.tar.gz"]
    assert files_in(tmp_path / "emomusic").keys() == {"clips_45seconds/2.mp3", "songs_info.csv"}


def test_the_archives_are_those_that_jukemir_verified(shared_data: Path) -> None:
    file = shared_data / "annotations" / "emomusic" / "jukemir_assets_emomusic.json"
    assets = json.loads(file.read_text())
    for archive, name in ((CLIPS, "EMOMUSIC_CLIPS"), (TABLES, "EMOMUSIC_ANNOTATIONS")):
        assert archive.url == assets[name]["url"]
        assert archive.checksum == f"sha256:{assets[name]['checksum']}"
