"""OpenMIC from its audio: the same clips and labels, another way in."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.checks import check_corpus
from musicssl.datasets.openmic import OpenMIC, OpenMICAudio, main
from musicssl.errors import InputError
from tests.support.made_once import made_once
from tests.support.openmic_folder import (
    KEYS,
    MASK,
    NUM_CLIPS,
    RELEVANCE,
    TEST_KEYS,
    TRAIN_KEYS,
    write_labels,
    write_metadata,
    write_openmic,
)

RATE = 44_100
SECONDS = 1


def pitch(row: int) -> int:
    """What clip `row` sounds like, in Hz, so that no clip can be taken for another."""
    return 200 + 100 * row


def write_audio(folder: Path) -> None:
    time = np.arange(RATE * SECONDS) / RATE
    for row, key in enumerate(KEYS):
        path = folder / "audio" / key[:3] / f"{key}.ogg"
        path.parent.mkdir(parents=True, exist_ok=True)
        tone = 0.5 * np.sin(2 * np.pi * pitch(row) * time)
        soundfile.write(path, np.stack([tone, tone], axis=1), RATE)


def write_corpus(folder: Path) -> None:
    write_openmic(folder / "openmic-2018")
    write_metadata(folder / "openmic-2018", KEYS)
    write_audio(folder / "openmic-2018")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made_once(write_corpus, tmp_path)


def audio_of(root: Path, **options: object) -> OpenMICAudio:
    settings = {"features": Waveform(), "cache": root / "cache", "num_workers": 1, **options}
    return OpenMICAudio(root, **settings)


def test_clips_labels_and_splits_are_those_of_the_instances(root: Path) -> None:
    vggish, audio = OpenMIC(root).load(), audio_of(root).load()
    assert audio.classes == vggish.classes
    for name in ("y", "mask", "split", "groups"):
        np.testing.assert_array_equal(getattr(audio, name), getattr(vggish, name))
    assert audio.clip_ids.tolist() == [f"audio/{key[:3]}/{key}.ogg" for key in vggish.clip_ids]
    assert check_corpus(audio) is audio


def test_each_row_sounds_like_its_clip(root: Path) -> None:
    sound = audio_of(root).load().x
    samples = sound.read(np.arange(NUM_CLIPS), np.zeros(NUM_CLIPS, np.int64), sound.sample_rate)
    loudest = np.abs(np.fft.rfft(samples)).argmax(axis=1)  # bins of 1 Hz
    np.testing.assert_allclose(loudest, [pitch(row) for row in range(NUM_CLIPS)], atol=1)
    assert sound.sample_rate == 16_000


def test_log_mel_instances_come_from_the_audio_too(root: Path) -> None:
    features = LogMel()
    corpus = audio_of(root, features=features).load()
    assert corpus.x.shape == (NUM_CLIPS, SECONDS, 128)
    assert corpus.instance_seconds == 1
    assert (np.diff(corpus.x[:, 0].argmax(axis=1)) > 0).all()  # the higher tone, the higher band
    sound, rate = audio_of(root, features=features).audio(str(corpus.clip_ids[3]))
    np.testing.assert_array_equal(features(sound), corpus.x[3])
    assert rate == features.sample_rate


@pytest.mark.parametrize(
    ("labels", "needless"),
    [("csv", "openmic-2018.npz"), ("npz", "openmic-2018-aggregated-labels.csv")],
)
def test_one_file_of_labels_is_enough(root: Path, labels: str, needless: str) -> None:
    (root / "openmic-2018" / needless).unlink()
    annotations = audio_of(root, labels=labels, threshold=0.75).annotations()
    np.testing.assert_array_equal(annotations.mask, MASK)
    np.testing.assert_array_equal(annotations.y, (RELEVANCE >= 0.75) & MASK)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"labels": "json"}, "labels is csv or npz, not 'json'"),
        ({"threshold": 50}, r"threshold is a relevance in \(0, 1\], not 50"),
    ],
)
def test_an_unknown_option_is_one_sentence(root: Path, options: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        audio_of(root, **options).load()


def test_a_clip_without_its_file_is_an_error_or_left_out(root: Path) -> None:
    gone = f"audio/{KEYS[5][:3]}/{KEYS[5]}.ogg"
    (root / "openmic-2018" / gone).unlink()
    with pytest.raises(InputError, match=f"1 of 30 files .*{gone} is missing"):
        audio_of(root).load()
    corpus = audio_of(root, unreadable="skip").load()
    assert [KEYS.index(Path(clip).stem) for clip in corpus.clip_ids] == [
        row for row in range(NUM_CLIPS) if row != 5
    ]
    np.testing.assert_array_equal(corpus.mask, np.delete(MASK, 5, axis=0))


def test_without_any_audio_the_vggish_instances_still_load(tmp_path: Path) -> None:
    write_openmic(tmp_path / "openmic-2018")
    with pytest.raises(InputError, match=r"none of the 30 recordings .*put the audio there"):
        audio_of(tmp_path).load()
    assert len(OpenMIC(tmp_path).load().x) == NUM_CLIPS


def test_the_command_counts_labels_and_files(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = root / "openmic-2018"
    (folder / "audio" / KEYS[0][:3] / f"{KEYS[0]}.ogg").write_bytes(b"")
    (folder / "audio" / KEYS[1][:3] / f"{KEYS[1]}.ogg").unlink()
    (folder / "audio" / "stray.ogg").touch()
    assert main(["--root", str(root), "--cache", str(root / "cache"), "--num-workers", "1"]) == 0
    out = capsys.readouterr().out
    assert f"28 clips: {len(TRAIN_KEYS) - 1} train, {len(TEST_KEYS) - 1} test" in out
    assert "annotated but missing: 1" in out
    assert "cannot be decoded: 1" in out
    assert "other audio files, not used: 1" in out
    left = np.arange(NUM_CLIPS) >= 2
    train = np.isin(KEYS, TRAIN_KEYS)
    present = MASK & (RELEVANCE >= 0.5)
    for name, column in [("accordion", 0), ("voice", 19), ("all", slice(None))]:
        counts = [
            cells[rows & left][:, column].sum()
            for rows in (train, ~train)
            for cells in (MASK, present)
        ]
        (line,) = [line for line in out.splitlines() if name in line.split()]
        assert [int(word) for word in line.split() if word.isdigit()] == counts


def test_the_command_of_nothing_ends_with_2_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--root", str(tmp_path)])
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {tmp_path} does not contain openmic")
    assert said.err.count("\n") == 1


def test_a_real_clip_is_a_row_of_sound(shared_data: Path, tmp_path: Path) -> None:
    real, folder = shared_data / "annotations" / "openmic-2018", tmp_path / "openmic-2018"
    folder.mkdir()
    for name in ("class-map.json", "partitions", "audio"):
        (folder / name).symlink_to(real / name)
    lists = [
        (real / "partitions" / f"split01_{split}.csv").read_text().splitlines()
        for split in ("train", "test")
    ]
    keys = sorted(lists[0] + lists[1])
    mask = np.random.default_rng(0).random((20_000, 20)) < 0.1
    write_labels(folder, keys, np.ones(mask.shape), mask)

    corpus = audio_of(tmp_path, unreadable="skip").load()

    assert corpus.clip_ids.tolist() == ["audio/000/000046_3840.ogg"]
    assert corpus.x.lengths.tolist() == [160_000]  # 10 s
    assert corpus.split.tolist() == ["train" if "000046_3840" in lists[0] else "test"]
    np.testing.assert_array_equal(corpus.mask[0], mask[keys.index("000046_3840")])
