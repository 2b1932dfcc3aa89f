"""SONYC-UST in the layout of its archive, against a table made by hand."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.data.checks import check_clips
from musicssl.datasets.sonyc_ust import TAXONOMY, UNCERTAIN, SonycUST, main
from musicssl.errors import InputError

RATE = 4_000
FEATURES = LogMel(sample_rate=RATE, num_mels=8, n_fft=256)
COARSE = tuple(TAXONOMY)
NUMBERS = {name: number for number, name in enumerate(COARSE, start=1)}
FINE = {
    f"{NUMBERS[coarse]}-{index}_{name}": coarse
    for coarse, fine in TAXONOMY.items()
    for index, name in enumerate(fine, start=1)
} | {f"{NUMBERS[coarse]}-X_{name}": coarse for coarse, name in UNCERTAIN.items()}
HEAD = [
    *("split", "sensor_id", "audio_filename", "annotator_id", "year", "week", "day", "hour"),
    *("borough", "block", "latitude", "longitude"),
    *(f"{name}_presence" for name in FINE),
    *(f"{name}_proximity" for name in FINE),
    *(f"{NUMBERS[name]}_{name}_presence" for name in COARSE),
]
ENGINE, SMALL = "1-X_engine-of-uncertain-size", "1-1_small-sounding-engine"
DOG, SIREN = "8-1_dog-barking-whining", "5-3_siren"
# Split, file, annotator, fine classes that the annotator heard, coarse groups not asked about.
LINES = [
    ("train", "a.wav", 5, [DOG], []),  # three volunteers, one of whom heard a dog
    ("train", "a.wav", 6, [], []),
    ("train", "a.wav", 7, [ENGINE, SIREN], []),
    ("train", "b.wav", 5, [DOG], []),  # verified: no dog, whatever a volunteer says
    ("train", "b.wav", -2, [DOG, SIREN], ["engine"]),
    ("train", "b.wav", 0, [SMALL], ["music"]),
    ("validate", "c.wav", 5, [DOG], []),  # nobody verified it
    ("validate", "d.wav", 0, [ENGINE, SIREN], []),
    ("test", "e.wav", 0, [DOG], []),
    ("test", "f.wav", 0, list(FINE)[:-6], []),
    ("train", "g.wav", -3, [DOG], []),  # a single member of the team
]
ENDS = {  # coarse: (present, unobserved), by hand
    "a.wav": ({"engine", "alert-signal", "dog"}, set()),
    "b.wav": ({"engine"}, {"music"}),
    "d.wav": ({"engine", "alert-signal"}, set()),
    "e.wav": ({"dog"}, set()),
    "f.wav": (set(COARSE), set()),
}


def row(split: str, name: str, annotator: int, heard: list[str], unasked: list[str]) -> list[str]:
    fine = {f: "-1" if c in unasked else str(int(f in heard)) for f, c in FINE.items()}
    coarse = {
        name: "-1" if name in unasked else str(int(any(FINE[f] == name for f in heard)))
        for name in COARSE
    }
    proximity = ["-1"] * len(FINE)
    place = [split, "3", name, str(annotator), "2018", "1", "0", "9", "1", "547", "40.7", "-73.9"]
    return [*place, *fine.values(), *proximity, *coarse.values()]


def written(folder: Path, lines: list[list[str]]) -> Path:
    with (folder / "annotations.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEAD, *lines])
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "SONYC-UST"
    (folder / "audio").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in {line[1] for line in LINES}:
        soundfile.write(folder / "audio" / name, rng.uniform(-0.5, 0.5, 2 * RATE), RATE)
    return written(folder, [row(*line) for line in LINES])


def made(root: Path, **settings: object) -> SonycUST:
    defaults = {"root": root, "cache": root.parent / "cache", "num_workers": 1}
    return SonycUST(**(defaults | {"features": FEATURES} | settings))


def test_coarse_labels_are_those_of_the_table(root: Path) -> None:
    corpus = made(root.parent).load()
    assert corpus.classes == COARSE
    assert corpus.clip_ids.tolist() == [f"audio/{name}" for name in ENDS]
    assert corpus.split.tolist() == ["train", "train", "val", "test", "test"]
    for index, (present, unobserved) in enumerate(ENDS.values()):
        found = {c for c, y in zip(COARSE, corpus.y[index], strict=True) if y == 1}
        hidden = {c for c, m in zip(COARSE, corpus.mask[index], strict=True) if not m}
        assert (found, hidden) == (present, unobserved)
    check_clips(corpus)


@pytest.mark.parametrize(
    ("votes", "present"), [(1, {"engine", "alert-signal", "dog"}), (2, set()), (3, set())]
)
def test_labels_are_counted_over_volunteers(root: Path, votes: int, present: set[str]) -> None:
    annotations = made(root, votes=votes).annotations()
    assert {c for c, y in zip(COARSE, annotations.y[0], strict=True) if y} == present
    assert annotations.mask[0].all()


def test_fine_classes_beside_an_uncertain_one_are_unobserved(root: Path) -> None:
    annotations = made(root, level="fine").annotations()
    engines = [annotations.classes.index(name) for name in TAXONOMY["engine"]]
    assert len(annotations.classes) == 23
    row_of = {path: index for index, path in enumerate(annotations.paths)}
    for name, observed in (("a", False), ("d", False), ("e", True)):
        assert (annotations.mask[row_of[f"audio/{name}.wav"]][engines] == observed).all()
    verified = row_of["audio/b.wav"]
    assert annotations.y[verified][engines].tolist() == [1, 0, 0]
    assert annotations.mask[verified][engines].all()
    hidden = {
        c for c, m in zip(annotations.classes, annotations.mask[verified], strict=True) if not m
    }
    assert hidden == set(TAXONOMY["music"])


def test_with_two_votes_one_doubt_is_not_enough_to_leave_a_class_open(root: Path) -> None:
    annotations = made(root, level="fine", votes=2).annotations()
    assert annotations.mask[0].all()
    assert not annotations.y[0].any()


def test_clips_that_nobody_verified_are_not_for_validation(root: Path) -> None:
    left_out = made(root).annotations().left_out
    assert set(left_out) == {"audio/c.wav", "audio/g.wav"}
    assert "no verified labels" in left_out["audio/c.wav"]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, "training", "has split 'training', not one of train, validate, test"),
        (3, "me", "has annotator_id 'me'"),
        (-1, "near", "has 'near' in 8_dog_presence, not 1, 0 or -1"),
    ],
)
def test_a_malformed_line_is_named(root: Path, place: int, value: str, message: str) -> None:
    line = row(*LINES[0])
    line[place] = value
    with pytest.raises(InputError, match=message):
        made(written(root, [line])).annotations()


def test_a_clip_in_two_splits_is_refused(root: Path) -> None:
    lines = [row(*LINES[0]), row("test", *LINES[0][1:])]
    with pytest.raises(InputError, match=r"a\.wav is in two splits, train and test"):
        made(written(root, lines)).annotations()


@pytest.mark.parametrize("option", [{"level": "both"}, {"votes": 4}])
def test_an_option_that_does_not_exist_is_refused(root: Path, option: dict[str, object]) -> None:
    with pytest.raises(InputError, match=rf"dataset\.{next(iter(option))} must be"):
        made(root, **option).annotations()


def test_the_command_counts(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root), "--cache", str(root.parent / "cache")]) == 0
    assert "engine" in capsys.readouterr().out
