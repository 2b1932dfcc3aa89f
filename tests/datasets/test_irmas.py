import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicssl.audio.decode import read_audio
from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.checks import check_corpus
from musicssl.datasets.irmas import ARCHIVES, CLASSES, INSTRUMENTS, IRMAS, TESTING, download, main
from musicssl.errors import InputError
from tests.support.publisher import Publisher, files_in

RATE = 4_000
FEATURES = LogMel(sample_rate=RATE, num_mels=8, n_fft=256)
TRAINING = [  # folder and name, song
    *((f"{code}/[{code}][pop_roc]{900 + n:04d}__1.wav", f"{900 + n:04d}")
      for n, code in enumerate(INSTRUMENTS)),
    ("cel/008__[cel][nod][cla]0058__1.wav", "0058"),
    ("cel/008__[cel][nod][cla]0058__2.wav", "0058"),
    ("cla/[cla][cla]0189__2.wav", "0189"),
    ("voi/[voi][dru][cla]0189__3.wav", "0189"),  # the same song, another instrument
]  # fmt: skip
TEST = {  # as the archives nest them: stem -> what its text file says
    "IRMAS-TestingData-Part1/Part1/02 - And The Body Will Die-8": "gel\t\nvoi\t\n",
    "IRMAS-TestingData-Part1/Part1/02 - And The Body Will Die-10": "gel\t\n",
    "IRMAS-TestingData-Part2/IRTestingData-Part2/0050_10CC___I_M_NOT_IN_LOVE-11": "pia\t\r\ncla",
    "IRMAS-TestingData-Part3/Part3/(03) [Fritz] No.1-2": "cel\t\ncla\t\nflu\t\nsax\t\nvoi\t\n",
}
TRAINING_FILES = {"IRMAS-TrainingData/cla/[cla][cla]0189__2.wav": b"train"}
TESTING_FILES = {"Part1/02 - And The Body Will Die-8.wav": b"test", "Part1/a.txt": b"gel\t\n"}


def write_audio(path: Path, seed: int = 0, channels: int = 2) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (RATE + 100, channels))
    soundfile.write(path, samples, RATE)


def write_training(folder: Path) -> None:
    for seed, (path, _) in enumerate(TRAINING):
        write_audio(folder / "IRMAS-TrainingData" / path, seed)


def write_testing(folder: Path) -> None:
    for stem, text in TEST.items():
        write_audio(folder / f"{stem}.wav")
        (folder / f"{stem}.txt").write_bytes(text.encode())


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "irmas"
    write_training(folder)
    write_testing(folder)
    return folder


@pytest.fixture
def make(root):
    def make_dataset(**settings):
        defaults = {"root": root, "cache": root.parent / "cache", "num_workers": 1}
        return IRMAS(**(defaults | {"features": FEATURES} | settings))

    return make_dataset


def codes(y) -> set[str]:
    return {list(INSTRUMENTS)[column] for column in np.flatnonzero(y)}


@pytest.mark.parametrize("features", [FEATURES, Waveform(RATE)])
def test_training_has_one_instrument_and_the_test_several(make, root, features):
    corpus = check_corpus(make(features=features).load())
    assert corpus.classes == CLASSES
    assert corpus.task == "multi_label"
    assert corpus.mask.all()
    train, test = corpus.indices("train"), corpus.indices("test")
    assert len(train) + len(test) == len(corpus.clip_ids)
    found = {str(corpus.clip_ids[row]): codes(corpus.y[row]) for row in train}
    assert found == {f"IRMAS-TrainingData/{path}": {path[:3]} for path, _ in TRAINING}
    found = {str(corpus.clip_ids[row]): codes(corpus.y[row]) for row in test}
    assert found == {f"{stem}.wav": set(text.split()) for stem, text in TEST.items()}
    row = int(np.flatnonzero(corpus.clip_ids == "IRMAS-TrainingData/cla/[cla][cla]0189__2.wav")[0])
    samples = read_audio(root / corpus.clip_ids[row], RATE)
    if features is FEATURES:
        np.testing.assert_array_equal(corpus.x[row], FEATURES(samples))
    else:
        read = corpus.x.read(np.array([row]), np.array([0]), len(samples))
        np.testing.assert_allclose(read[0], samples)


def test_the_classes_are_in_the_order_of_their_codes():
    assert list(INSTRUMENTS) == sorted(INSTRUMENTS)
    assert CLASSES[1] == "clarinet"
    assert len(CLASSES) == 11


def test_excerpts_of_a_song_are_a_group(make):
    annotations = make().annotations()
    group = dict(zip(annotations.paths, annotations.groups.tolist(), strict=True))
    for path, song in TRAINING:
        assert group[f"IRMAS-TrainingData/{path}"] == f"train/{song}"
    tests = [group[f"{stem}.wav"] for stem in TEST]
    assert tests == [
        "test/02 - And The Body Will Die",
        "test/02 - And The Body Will Die",
        "test/0050_10CC___I_M_NOT_IN_LOVE",
        "test/(03) [Fritz] No.1",
    ]


def test_a_training_file_with_another_name_is_a_group_of_its_own(make, root):
    write_audio(root / "IRMAS-TrainingData" / "sax" / "mine.wav")
    annotations = make().annotations()
    row = annotations.paths.index("IRMAS-TrainingData/sax/mine.wav")
    assert (annotations.groups == annotations.groups[row]).sum() == 1


def test_archives_unpacked_side_by_side(make, root):
    for wrapper, inner in TESTING:
        (root / wrapper / inner).rename(root / inner)
        (root / wrapper).rmdir()
    corpus = make().load()
    expected = {f"{stem.split('/', 1)[1]}.wav" for stem in TEST}
    assert set(corpus.clip_ids[corpus.indices("test")]) == expected


def test_the_command_counts_the_excerpts(root, capsys):
    write_audio(root / "IRMAS-TestingData-Part3" / "Part3" / "nobody annotated-1.wav")
    (root / "IRMAS-TestingData-Part3" / "Part3" / "(03) [Fritz] No.1-2.wav").unlink()
    arguments = ["--root", str(root), "--cache", str(root.parent / "c"), "--num-workers", "1"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "18 clips: 15 train, 3 test" in shown
    assert "annotated but missing: 1" in shown
    assert "Part3/(03) [Fritz] No.1-2.wav is missing" in shown  # brackets are no markup
    assert "other audio files, not used: 1" in shown


def test_a_missing_recording_is_named(make, root):
    (root / "IRMAS-TestingData-Part1" / "Part1" / "02 - And The Body Will Die-8.wav").unlink()
    with pytest.raises(InputError, match=r"1 of 19 files .*Will Die-8\.wav is missing"):
        make().load()


def test_notes_about_the_corpus_are_no_annotations(make, root):
    (root / "IRMAS-TrainingData" / "README.txt").write_text("IRMAS")
    (root / "IRMAS-TestingData-Part1" / "README.txt").write_text("IRMAS")
    (root / "IRMAS-TestingData-Part1" / "._02 - And The Body Will Die-8.txt").write_text("\0")
    assert len(make().annotations().paths) == 19


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("gel\t\npiano\t\n", r"line 2 of .*Will Die-8\.txt is 'piano', not one of cel, cla"),
        ("gel\tvoi\n", r"line 1 of .* is 'gel\\tvoi', not one of"),
        ("\t\n", r"Will Die-8\.txt is empty"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a git-LFS pointer"),
    ],
)
def test_a_malformed_text_file_is_named(make, root, content, message):
    path = root / "IRMAS-TestingData-Part1" / "Part1" / "02 - And The Body Will Die-8.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        make().load()


def test_training_audio_outside_of_the_folders_is_named(make, root):
    write_audio(root / "IRMAS-TrainingData" / "harp" / "[har][cla]0001__1.wav")
    with pytest.raises(InputError, match=r"harp/\[har\]\[cla\]0001__1\.wav is not in the folder"):
        make().load()


@pytest.mark.parametrize("part", [wrapper for wrapper, _ in TESTING])
def test_a_missing_part_of_the_test_set_is_reported(make, root, part):
    shutil.rmtree(root / part)
    with pytest.raises(InputError, match=rf"{part} is missing; download it"):
        make().load()


@pytest.mark.parametrize("part", ["IRMAS-TrainingData", "IRMAS-TestingData-Part2"])
def test_an_empty_part_is_reported(make, root, part):
    shutil.rmtree(root / part)
    (root / part).mkdir()
    with pytest.raises(InputError, match=rf"{part} has no annotated excerpt; download it"):
        make().load()


@pytest.mark.parametrize(
    ("below", "message"),
    [
        ("IRMAS-TrainingData", r"TrainingData is one level too low: irmas is in .*irmas; set"),
        ("IRMAS-TestingData-Part1", r"-Part1 is one level too low: irmas is in .*irmas; set"),
        ("", r"one level too high: irmas is in .*mine"),
    ],
)
def test_a_root_one_level_off_is_reported(make, root, below, message):
    wrong = root / below if below else root.rename(root.parent / "mine").parent
    with pytest.raises(InputError, match=message):
        make(root=wrong).load()


def test_real_excerpts(shared_data, tmp_path):
    resources = shared_data / "annotations" / "mirdata-test-resources" / "irmas"
    folder = shutil.copytree(resources, tmp_path / "irmas")
    for wrapper, inner in TESTING[1:]:
        shutil.copytree(folder / "IRMAS-TestingData-Part1" / "Part1", folder / wrapper / inner)
    corpus = IRMAS(
        root=tmp_path, features=Waveform(22_050), cache=tmp_path / "c", num_workers=1
    ).load()
    assert corpus.clip_ids.tolist() == [
        "IRMAS-TrainingData/cla/[cla][cla]0189__2.wav",
        *(f"{wrapper}/{inner}/02 - And The Body Will Die-8.wav" for wrapper, inner in TESTING),
    ]
    assert [codes(y) for y in corpus.y] == [{"cla"}, *[{"gel", "voi"}] * 3]
    assert corpus.split.tolist() == ["train", "test", "test", "test"]
    for clip, length in zip(corpus.clip_ids, corpus.x.lengths, strict=True):
        info = soundfile.info(folder / clip)
        assert abs(length - info.frames * 22_050 / info.samplerate) <= 1


def test_the_folders_are_those_that_the_corpus_is_read_from(
    publisher: Publisher, tmp_path: Path
) -> None:
    archives = {
        "IRMAS-TrainingData": publisher.zip("IRMAS-TrainingData.zip", TRAINING_FILES),
        "IRMAS-TestingData-Part1": publisher.zip("IRMAS-TestingData-Part1.zip", TESTING_FILES),
    }
    download(tmp_path, archives)
    for archive in archives.values():
        (tmp_path / archive.name).unlink()
    unpacked = {f"IRMAS-TestingData-Part1/{name}": data for name, data in TESTING_FILES.items()}
    assert files_in(tmp_path) == TRAINING_FILES | unpacked
    download(tmp_path, archives)
    assert sorted(publisher.requests) == sorted(archive.name for archive in archives.values())


def test_each_folder_has_its_own_archive() -> None:
    assert [archive.name for archive in ARCHIVES.values()] == [f"{name}.zip" for name in ARCHIVES]
    checksums = [archive.checksum for archive in ARCHIVES.values()]
    assert len(set(checksums)) == 4
    assert {len(checksum) for checksum in checksums} == {len("md5:") + 32}
