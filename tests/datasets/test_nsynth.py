import json
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicssl.audio.decode import read_audio
from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.checks import check_corpus
from musicssl.datasets.nsynth import (
    FAMILIES,
    HIGHEST_PITCH,
    LOWEST_PITCH,
    PITCHES,
    NSynth,
    main,
    read_notes,
)
from musicssl.errors import InputError

RATE = 4_000
FEATURES = LogMel(sample_rate=RATE, num_mels=8, n_fft=256)


def entry(family: str, number: int, pitch: int, velocity: int = 25) -> tuple[str, dict]:
    instrument = f"{family}_synthetic_{number:03d}"
    name = f"{instrument}-{pitch:03d}-{velocity:03d}"
    return name, {
        "qualities": [0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        "pitch": pitch,
        "note": 217499,
        "instrument_source_str": "synthetic",
        "velocity": velocity,
        "instrument_str": instrument,
        "instrument": number,
        "sample_rate": 16000,
        "qualities_str": ["dark"],
        "instrument_source": 2,
        "note_str": name,
        "instrument_family": FAMILIES.index(family),
        "instrument_family_str": family,
    }


NOTES = {
    "nsynth-train": dict(
        [entry(family, 0, pitch) for family in FAMILIES for pitch in (21, 60)]
        + [entry("vocal", 1, LOWEST_PITCH)]
    ),
    "nsynth-valid": dict([entry("bass", 2, 60), entry("organ", 2, 108)]),
    "nsynth-test": dict([entry("guitar", 3, HIGHEST_PITCH), entry("guitar", 3, 21, 127)]),
}


def write(root: Path, part: str, notes: dict, indent: int | None = 4) -> None:
    (root / part / "audio").mkdir(exist_ok=True, parents=True)
    (root / part / "examples.json").write_text(json.dumps(notes, indent=indent))


def write_audio(root: Path, part: str, names: list[str]) -> None:
    rng = np.random.default_rng(0)
    for name in names:
        path = root / part / "audio" / f"{name}.wav"
        soundfile.write(path, rng.uniform(-0.5, 0.5, RATE + 100), RATE)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "nsynth"
    for part, notes in NOTES.items():
        write(folder, part, notes)
        write_audio(folder, part, list(notes))
    return folder


@pytest.fixture
def make(root):
    def make_dataset(**settings):
        defaults = {"root": root, "cache": root.parent / "cache", "num_workers": 1}
        return NSynth(**(defaults | {"features": FEATURES} | settings))

    return make_dataset


def test_the_classes_are_explicit():
    assert [int(name) for name in PITCHES] == list(range(9, 121))
    assert FAMILIES[9] == "synth_lead"
    assert len(FAMILIES) == 11


@pytest.mark.parametrize("features", [FEATURES, Waveform(RATE)])
@pytest.mark.parametrize("target", ["pitch", "family"])
def test_the_corpus_is_what_the_notes_say(make, root, target, features):
    corpus = make(target=target, features=features).load()
    expected = [(part, note) for part, notes in NOTES.items() for note in notes.values()]
    assert corpus.clip_ids.tolist() == [
        f"{part}/audio/{note['note_str']}.wav" for part, note in expected
    ]
    assert corpus.split.tolist() == ["train"] * 23 + ["val"] * 2 + ["test"] * 2
    assert corpus.task == "multi_class"
    assert corpus.mask.all()
    key = "pitch" if target == "pitch" else "instrument_family_str"
    for y, (_, note) in zip(corpus.y, expected, strict=True):
        assert [corpus.classes[column] for column in np.flatnonzero(y)] == [str(note[key])]
    assert corpus.groups.tolist() == [note["instrument_str"] for _, note in expected]
    assert corpus.pitches.tolist() == [note["pitch"] for _, note in expected]
    samples = read_audio(root / corpus.clip_ids[5], RATE)
    if features is FEATURES:
        np.testing.assert_array_equal(corpus.x[5], FEATURES(samples))
    else:
        read = corpus.x.read(np.array([5]), np.array([0]), len(samples))
        np.testing.assert_allclose(read[0], samples)


def test_families_can_be_learnt_though_no_test_note_is_a_synth_lead(make):
    corpus = check_corpus(make(target="family").load())
    lead = corpus.y[:, FAMILIES.index("synth_lead")]
    assert lead[corpus.indices("train")].sum() == 2
    assert lead[corpus.indices("test")].sum() == 0


def test_the_command_counts_the_notes(root, capsys):
    write_audio(root, "nsynth-test", ["nobody_annotated_000-021-025"])
    (root / "nsynth-valid" / "audio" / "bass_synthetic_002-060-025.wav").unlink()
    arguments = ["--root", str(root), "--cache", str(root.parent / "c"), "--num-workers", "1"]
    assert main([*arguments, "--target", "family"]) == 0
    shown = capsys.readouterr().out
    assert "26 clips: 23 train, 1 val, 2 test" in shown
    assert "annotated but missing: 1" in shown
    assert "nsynth-valid/audio/bass_synthetic_002-060-025.wav is missing" in shown
    assert "other audio files, not used: 1" in shown


def test_a_missing_recording_is_named(make, root):
    (root / "nsynth-test" / "audio" / "guitar_synthetic_003-021-127.wav").unlink()
    with pytest.raises(InputError, match=r"1 of 27 files .*guitar_synthetic_003-021-127\.wav is"):
        make().load()


@pytest.mark.parametrize("indent", [None, 0, 4])
def test_however_the_file_is_laid_out(tmp_path, indent):
    write(tmp_path, "nsynth-train", NOTES["nsynth-train"], indent)
    notes = list(read_notes(tmp_path / "nsynth-train" / "examples.json", "get it"))
    assert [note.name for note in notes] == list(NOTES["nsynth-train"])
    assert [int(note.pitch) for note in notes] == [
        note["pitch"] for note in NOTES["nsynth-train"].values()
    ]


def test_a_large_file_is_read_in_pieces(tmp_path):
    notes = dict(entry("bass", number, 60) for number in range(8000))
    write(tmp_path, "nsynth-train", notes)
    path = tmp_path / "nsynth-train" / "examples.json"
    whole = path.stat().st_size
    assert whole > 4e6  # several pieces, so entries are cut at their ends
    list(read_notes(path, "get it"))  # what is set up once is no part of the measure
    tracemalloc.start()
    for note, (name, expected) in zip(read_notes(path, "get it"), notes.items(), strict=True):
        assert (note.name, note.instrument) == (name, expected["instrument_str"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6  # a piece, its bytes and the rest of the one before; json.load takes 20e6


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], r"is damaged: its notes end before '"),
        (lambda text: text[:-1], r"is damaged: its notes end without closing brace"),
        (lambda text: "[" + text, r"is damaged: its notes end before '\["),
        (lambda text: "", "is damaged"),
        (
            lambda text: text.replace('"organ_synthetic_002"', "[1]"),
            r"has \[1\] in place of a name",
        ),
        (lambda text: text.replace('"pitch": 108', '"pitch": 108,,'), r"at the note 'organ_s"),
        (lambda text: text.replace('"pitch": 108', '"key": 108'), r"at the note 'organ_.*'pitch'"),
        (lambda text: text.replace('"pitch": 108', '"pitch": 121'), r"'121' as pitch or family of"),
        (lambda text: text.replace('"pitch": 108', '"pitch": 8'), r"'8' .*from 9 to 120"),
        (lambda text: text.replace('"organ"', '"harp"'), r"'harp' as pitch or family of the note"),
        (lambda text: "version https://git-lfs.github.com/spec/v1\noid", "is a git-LFS pointer"),
    ],
)
def test_a_damaged_file_is_reported(make, root, damage, message):
    path = root / "nsynth-valid" / "examples.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(InputError, match=r"nsynth-valid/examples\.json .*") as caught:
        make().load()
    assert caught.match(message)


def test_a_damage_in_front_of_a_large_file_is_not_read_to_its_end(tmp_path):
    notes = dict(entry("bass", number, 60) for number in range(12000))
    write(tmp_path, "nsynth-train", notes)
    path = tmp_path / "nsynth-train" / "examples.json"
    path.write_text(path.read_text().replace('"', "", 1))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"end before '\{"):
        list(read_notes(path, "get it"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 6e6
    assert peak < 6e6


def test_a_missing_part_is_reported(make, root):
    (root / "nsynth-valid" / "examples.json").unlink()
    with pytest.raises(InputError, match=r"nsynth-valid/examples\.json is missing; put it there"):
        make().load()


@pytest.mark.parametrize(
    ("below", "message"),
    [
        ("nsynth-train", r"nsynth-train is one level too low: nsynth is in .*nsynth; set"),
        ("", r"one level too high: nsynth is in .*mine"),
    ],
)
def test_a_root_one_level_off_is_reported(make, root, below, message):
    wrong = root / below if below else root.rename(root.parent / "mine").parent
    with pytest.raises(InputError, match=message):
        make(root=wrong).load()


def test_an_unknown_target_is_reported(make):
    with pytest.raises(InputError, match=r"target must be pitch or family, got 'source'"):
        make(target="source").load()


def test_real_entries(shared_data, tmp_path):
    folder = shared_data / "annotations" / "nsynth"
    real = json.loads((folder / "examples.sample12.json").read_text())
    (tmp_path / "nsynth-test").mkdir()
    (tmp_path / "nsynth-test" / "examples.json").write_bytes(
        (folder / "examples.sample12.json").read_bytes()
    )
    for part in ("nsynth-train", "nsynth-valid"):
        write(tmp_path, part, NOTES[part])
    for target, key in (("pitch", "pitch"), ("family", "instrument_family_str")):
        annotations = NSynth(root=tmp_path, target=target).annotations()
        test = annotations.split == "test"
        assert test.sum() == 12
        names = [annotations.classes[column] for column in annotations.y[test].argmax(axis=1)]
        assert names == [str(note[key]) for note in real.values()]
        assert annotations.groups[test].tolist() == [n["instrument_str"] for n in real.values()]
    numbers = {note["instrument_family_str"]: note["instrument_family"] for note in real.values()}
    assert all(FAMILIES.index(name) == number for name, number in numbers.items())


def test_all_real_test_notes(shared_data, tmp_path):
    """Entries made of the names, which say instrument, pitch and velocity, and the families."""
    table = (shared_data / "annotations" / "nsynth" / "test_note_str_family.tsv").read_text()
    notes = {}
    for line in table.splitlines():
        name, family = line.split("\t")
        instrument, pitch, velocity = name.rsplit("-", 2)
        notes[name] = {
            "pitch": int(pitch),
            "velocity": int(velocity),
            "instrument_str": instrument,
            "instrument_family_str": family,
        }
    write(tmp_path, "nsynth-test", notes)
    for part in ("nsynth-train", "nsynth-valid"):
        write(tmp_path, part, NOTES[part])
    families = NSynth(root=tmp_path, target="family").annotations()
    test = families.split == "test"
    assert test.sum() == 4096
    counts = dict(zip(FAMILIES, families.y[test].sum(axis=0).astype(int).tolist(), strict=True))
    assert counts == {
        "bass": 843,
        "brass": 269,
        "flute": 180,
        "guitar": 652,
        "keyboard": 766,
        "mallet": 202,
        "organ": 502,
        "reed": 235,
        "string": 306,
        "synth_lead": 0,
        "vocal": 141,
    }
    pitches = NSynth(root=tmp_path, target="pitch").annotations()
    present = Counter(pitches.y[test].argmax(axis=1).tolist())
    absent = [int(PITCHES[column]) for column in range(len(PITCHES)) if column not in present]
    assert absent == [109, 111, 112, 114, 117, 120]
