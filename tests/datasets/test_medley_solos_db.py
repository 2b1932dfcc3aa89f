import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hydra.utils import instantiate
from omegaconf import OmegaConf

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.checks import check_corpus
from musicssl.datasets.medley_solos_db import (
    CLASSES,
    CLIPS,
    METADATA,
    TABLE,
    MedleySolosDB,
    download,
    main,
)
from musicssl.errors import InputError
from tests.support.made_once import made_once
from tests.support.publisher import Publisher, files_in

RATE = 44_100
NUM_SAMPLES = 131_072  # 2.97 s
SUBSETS = ["training"] * 16 + ["validation"] * 8 + ["test"] * 8
CLIP_ROWS = [(subset, n % 8, n // 2, f"{n:08d}-aaaa") for n, subset in enumerate(SUBSETS)]


def file_of(subset: str, number: int, uuid: str) -> str:
    return f"Medley-solos-DB_{subset}-{number}_{uuid}.wav"


def write_table(path: Path, clips: list[tuple[str, int, int, str]] = CLIP_ROWS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subset", "instrument", "instrument_id", "song_id", "uuid4"])
        for subset, number, song, uuid in clips:
            writer.writerow([subset, CLASSES[number], number, song, uuid])


def write_audio(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(NUM_SAMPLES) / RATE
    for row, (subset, number, _, uuid) in enumerate(CLIP_ROWS):
        tone = 0.5 * np.sin(2 * np.pi * (200 + 100 * row) * time)
        path = folder / file_of(subset, number, uuid)
        soundfile.write(path, tone.astype(np.float32), RATE, subtype="FLOAT")


def write_corpus(folder: Path) -> None:
    write_table(folder / "Medley-solos-DB" / TABLE)
    write_audio(folder / "Medley-solos-DB" / "audio")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made_once(write_corpus, tmp_path)


def corpus_of(root: Path, **options: object) -> MedleySolosDB:
    settings = {"features": Waveform(), "cache": root / "cache", "num_workers": 1, **options}
    return MedleySolosDB(root, **settings)


def test_load_gives_what_the_table_says(root: Path) -> None:
    corpus = corpus_of(root).load()
    assert check_corpus(corpus) is corpus
    assert corpus.task == "multi_class"
    assert corpus.classes == CLASSES
    assert corpus.clip_ids.tolist() == [f"audio/{file_of(s, n, u)}" for s, n, _, u in CLIP_ROWS]
    assert corpus.y.argmax(axis=1).tolist() == [number for _, number, _, _ in CLIP_ROWS]
    assert corpus.y.sum(axis=1).tolist() == [1] * len(CLIP_ROWS)
    assert corpus.mask.all()
    assert corpus.split.tolist() == ["train"] * 16 + ["val"] * 8 + ["test"] * 8
    assert corpus.groups.tolist() == [str(song) for _, _, song, _ in CLIP_ROWS]


def test_each_row_sounds_like_its_clip(root: Path) -> None:
    sound = corpus_of(root).load().x
    rows = np.arange(len(CLIP_ROWS))
    samples = sound.read(rows, np.zeros(len(CLIP_ROWS), np.int64), sound.sample_rate)
    loudest = np.abs(np.fft.rfft(samples)).argmax(axis=1)  # bins of 1 Hz
    np.testing.assert_allclose(loudest, 200 + 100 * rows, atol=1)
    np.testing.assert_allclose(sound.lengths, NUM_SAMPLES * 16_000 / RATE, atol=1)


@pytest.mark.parametrize(
    ("table", "audio"), [(f"annotation/{TABLE}", "audio"), (TABLE, "audio"), (TABLE, ".")]
)
def test_table_and_clips_may_lie_as_users_put_them(tmp_path: Path, table: str, audio: str) -> None:
    write_table(tmp_path / table)
    write_audio(tmp_path / audio)
    corpus = corpus_of(tmp_path, features=LogMel()).load()
    assert corpus.x.shape == (len(CLIP_ROWS), 3, 128)
    assert len(corpus.indices("test")) == 8


def test_the_command_counts_clips_and_files(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audio = root / "Medley-solos-DB" / "audio"
    subset, number, _, uuid = CLIP_ROWS[0]
    (audio / file_of(subset, number, uuid)).unlink()
    (audio / "unnamed.wav").write_bytes(b"")
    assert main(["--root", str(root), "--cache", str(root / "cache"), "--num-workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "31 clips: 15 train, 8 val, 8 test" in out
    assert "annotated but missing: 1" in out
    assert "other audio files, not used: 1" in out


def test_a_missing_clip_is_an_error_unless_skipped(root: Path) -> None:
    subset, number, _, uuid = CLIP_ROWS[3]
    name = file_of(subset, number, uuid)
    (root / "Medley-solos-DB" / "audio" / name).unlink()
    with pytest.raises(InputError, match=f"1 of 32 files .*{name} is missing"):
        corpus_of(root).load()
    left = corpus_of(root, unreadable="skip").load()
    numbers = [number for _, number, _, _ in CLIP_ROWS]
    assert left.y.argmax(axis=1).tolist() == numbers[:3] + numbers[4:]


def test_a_level_too_high_or_too_low_is_reported(root: Path) -> None:
    folder = root / "Medley-solos-DB"
    with pytest.raises(InputError, match=rf"too low: .*; set data\.root={folder}\."):
        corpus_of(folder / "audio").load()
    folder.rename(root / "solos")
    with pytest.raises(InputError, match=rf"too high: .*; set data\.root={root / 'solos'}\."):
        corpus_of(root).load()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("training,", "train,"), r"line 2 of .* has the subset 'train', not one of training, "),
        ((",clarinet,0,", ",clarinet,1,"), r"line 2 of .* instrument 'clarinet' with number '1'"),
        ((",flute,3,", ",Flute,3,"), r"line 5 of .* instrument 'Flute' with number '3'"),
        (("00000000-aaaa", "00000001-aaaa"), r"line 3 of .* second with uuid4 '00000001-aaaa'"),
        (("00000000-aaaa", ""), r"line 2 of .* has no song_id or no uuid4"),
        ((",0,00000000-aaaa", ""), r"line 2 of .* has 3 cells, not 5"),
        (("song_id", "song"), r"has no column 'song_id'"),
        (("subset,", "version https://git-lfs.github.com/spec/v1\n"), "is a git-LFS pointer"),
    ],
)
def test_a_malformed_table_is_one_sentence(
    root: Path, change: tuple[str, str], sentence: str
) -> None:
    table = root / "Medley-solos-DB" / TABLE
    table.write_text(table.read_text().replace(*change, 1))
    with pytest.raises(InputError, match=sentence) as caught:
        corpus_of(root).load()
    assert "\n" not in str(caught.value)


def test_a_table_of_no_clip_is_one_sentence(root: Path) -> None:
    write_table(root / "Medley-solos-DB" / TABLE, [])
    with pytest.raises(InputError, match=r"names no clip; get Medley-solos-DB_metadata\.csv"):
        corpus_of(root).load()


def test_the_conf_makes_the_dataset() -> None:
    conf = Path(__file__).parents[2] / "conf" / "dataset" / "medley_solos_db.yaml"
    config = OmegaConf.create(
        {
            "data": {"root": "somewhere", "cache": "cache"},
            "features": {"_target_": "musicssl.audio.log_mel.LogMel"},
            "dataset": OmegaConf.load(conf),
        }
    )
    assert instantiate(config.dataset) == MedleySolosDB("somewhere")


def test_the_real_clip_is_read(shared_data: Path, tmp_path: Path) -> None:
    """One clip and its line, which mirdata carries; the clip is as published, not cut short."""
    root = shared_data / "annotations" / "mirdata-test-resources" / "medley_solos_db"
    corpus = MedleySolosDB(root, features=Waveform(RATE), cache=tmp_path, num_workers=1).load()
    (clip,) = corpus.clip_ids
    assert clip == "audio/Medley-solos-DB_validation-3_d07b1fc0-567d-52c2-fef4-239f31c9d40e.wav"
    assert corpus.split.tolist() == ["val"]
    assert corpus.groups.tolist() == ["210"]
    assert [corpus.classes[column] for column in np.flatnonzero(corpus.y[0])] == ["flute"]
    expected, rate = soundfile.read(root / clip, dtype="float32")
    assert (rate, len(expected)) == (RATE, NUM_SAMPLES)
    (samples,) = corpus.x.read(np.array([0]), np.array([0]), len(expected))
    np.testing.assert_allclose(samples, expected, atol=1e-6)


def test_the_table_and_the_clips_come_into_one_folder(publisher: Publisher, tmp_path: Path) -> None:
    table = publisher.file("Medley-solos-DB_metadata.csv", b"subset\n")
    clips = publisher.tar("Medley-solos-DB.tar.gz", {"./Medley-solos-DB_test-0_a.wav": b"1"})
    download(tmp_path, table, clips)
    folder = tmp_path / "Medley-solos-DB"
    (folder / "Medley-solos-DB.tar.gz").unlink()
    assert files_in(folder) == {
        "Medley-solos-DB_metadata.csv": b"subset\n",
        "audio/Medley-solos-DB_test-0_a.wav": b"1",
    }
    download(tmp_path, table, clips)
    assert publisher.requests == ["Medley-solos-DB_metadata.csv", "Medley-solos-DB.tar.gz"]


def test_each_file_has_its_own_checksum() -> None:
    assert METADATA.checksum != CLIPS.checksum
    assert len(METADATA.checksum) == len(CLIPS.checksum) == len("md5:") + 32
