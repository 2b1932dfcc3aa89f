import hashlib
import json

import mir_eval
import numpy as np
import pytest
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.datasets.giantsteps_key import (
    CLASSES,
    TEST_FOLDER,
    TRAIN_FOLDER,
    GiantStepsKey,
    main,
    mirex_credit,
)
from musicssl.errors import InputError
from tests.support.made_once import made_once

FEATURES = LogMel(sample_rate=8_000, num_mels=16, n_fft=512)
FLATS = {"c#": "Db", "d#": "Eb", "f#": "Gb", "g#": "Ab", "a#": "Bb"}


def hashed(artist):
    return int(hashlib.sha1(artist.lower().encode()).hexdigest(), 16) % 116


VALIDATES = next(name for name in map("Name {}".format, range(999)) if hashed(name) >= 100)
TRAINS, OTHER, THIRD = [name for name in map("Act {}".format, range(99)) if hashed(name) < 100][:3]


@pytest.fixture
def real(shared_data):
    return shared_data / "annotations" / "giantsteps"


def labels(annotations):
    return {
        path.rpartition("/")[2].removesuffix(".LOFI.mp3"): CLASSES[int(row.argmax())]
        for path, row in zip(annotations.paths, annotations.y, strict=True)
    }


def test_real_splits_and_labels_are_those_of_jukemir(real):
    annotations = GiantStepsKey(root=real).annotations()
    published = json.loads((real / "jukemir_song_splits.json").read_text())
    names = {"train": "train", "val": "valid", "test": "test"}
    found = {
        song.zfill(7): (names[str(split)], key)
        for (song, key), split in zip(labels(annotations).items(), annotations.split, strict=True)
    }
    assert found == {song: (known["split"], known["y"]) for song, known in published.items()}
    counts = {split: int((annotations.split == split).sum()) for split in names}
    assert counts == {"train": 923, "val": 236, "test": 604}


def test_real_keys_are_those_of_the_other_format(real):
    annotations = GiantStepsKey(root=real).annotations()
    keys = labels(annotations)
    for path in annotations.paths:
        if path.startswith(TRAIN_FOLDER):
            song = path.rpartition("/")[2].removesuffix(".LOFI.mp3")
            text = (real / TRAIN_FOLDER / f"annotations/key/{song}.LOFI.key").read_text()
            tonic, mode = text.split("\t")[0].split()
            assert keys[song] == f"{FLATS.get(tonic, tonic.upper())} {mode}"


def test_real_counts_and_groups(real):
    annotations = GiantStepsKey(root=real).annotations()
    assert annotations.task == "multi_class"
    assert annotations.y.sum(axis=1).tolist() == [1] * 1763
    test = annotations.y[annotations.split == "test"].sum(axis=0)
    assert test[CLASSES.index("Db major")] == 1
    assert test[12:].sum() == 511  # minor keys
    groups = [set(annotations.groups[annotations.split == s]) for s in ("train", "val", "test")]
    assert not groups[0] & groups[1]
    assert not groups[2] & (groups[0] | groups[1])
    assert len(annotations.left_out) == 1486 - 1159
    uncertain = [cause for cause in annotations.left_out.values() if "uncertain" in cause]
    assert len(uncertain) == 96 + 208
    assert f"{TRAIN_FOLDER}/audio/61578.LOFI.mp3" in annotations.left_out  # C minor / F# minor


def test_real_artists_are_in_no_two_of_train_and_val(real):
    annotations = GiantStepsKey(root=real).annotations()
    lines = (real / TRAIN_FOLDER / "annotations/beatport_metadata.txt").read_text("utf-8")
    artists_of = {row.split("\t")[0]: row.split("\t")[1] for row in lines.splitlines()}
    found = {"train": set(), "val": set()}
    for path, split in zip(annotations.paths, annotations.split, strict=True):
        if split != "test":
            song = path.rpartition("/")[2].removesuffix(".LOFI.mp3")
            found[str(split)].update(name.strip() for name in artists_of[song].split(","))
    assert not found["train"] & found["val"]


def test_the_order_of_classes_is_marbles():
    assert len(CLASSES) == 24
    assert CLASSES[:3] == ("C major", "Db major", "D major")
    assert CLASSES[6] == "Gb major"
    assert CLASSES[12:14] == ("C minor", "Db minor")
    assert CLASSES[23] == "B minor"


@pytest.mark.parametrize(
    ("right", "worth"),  # from the rules that MIREX publishes
    [
        ("C major", {"C major": 1, "G major": 0.5, "A minor": 0.3, "C minor": 0.2}),
        ("F major", {"F major": 1, "C major": 0.5, "D minor": 0.3, "F minor": 0.2}),
        ("A minor", {"A minor": 1, "E minor": 0.5, "C major": 0.3, "A major": 0.2}),
        ("Bb minor", {"Bb minor": 1, "F minor": 0.5, "Db major": 0.3, "Bb major": 0.2}),
    ],
)
def test_credit_of_each_answer(right, worth):
    column = mirex_credit()[:, CLASSES.index(right)]
    expected = [worth.get(answer, 0) for answer in CLASSES]
    np.testing.assert_allclose(column, expected)


def test_credit_is_mir_evals_score_of_every_answer_to_every_key():
    worth = mirex_credit()
    for answer, given in enumerate(CLASSES):
        for right, truth in enumerate(CLASSES):
            assert worth[answer, right] == np.float32(mir_eval.key.weighted_score(truth, given))


def test_credit_does_not_depend_on_the_tonic():
    credit = mirex_credit().reshape(2, 12, 2, 12)
    np.testing.assert_array_equal(credit, np.roll(credit, (5, 5), axis=(1, 3)))


ANNOTATIONS = """ID\tMANUAL KEY\tC
11\tD# minor\t2
22\tB major \t2
33\tA minor\t2
44\t-\t0
55\tF minor / G# major\t2
66\tC major\t1
77\t \t0
"""
METADATA = f"""ID\tARTIST\tSONG TITLE
11\t{TRAINS}\tx
22\t{VALIDATES}, {OTHER}\t"x
33\t{THIRD}, {OTHER.upper()}\tx
44\t{TRAINS}\tx
55\t{TRAINS}\tx
66\t{TRAINS}\tx
77\t{TRAINS}\tx
"""


def write_corpus(folder):
    mtg, key = folder / TRAIN_FOLDER, folder / TEST_FOLDER
    (mtg / "annotations").mkdir(parents=True)
    (mtg / "annotations/annotations.txt").write_text(ANNOTATIONS)
    (mtg / "annotations/beatport_metadata.txt").write_text(METADATA)
    (key / "annotations/key").mkdir(parents=True)
    (key / "annotations/key/88.LOFI.key").write_text("Eb minor")
    (key / "annotations/key/99.LOFI.key").write_text("C major")
    rng = np.random.default_rng(0)
    for half, songs in ((mtg, (11, 22, 33)), (key, (88, 99))):
        (half / "audio").mkdir()
        for song in songs:
            path = half / "audio" / f"{song}.LOFI.mp3"
            soundfile.write(path, rng.uniform(-0.5, 0.5, 32_000), 16_000)


@pytest.fixture
def root(tmp_path):
    return made_once(write_corpus, tmp_path / "giantsteps")


@pytest.fixture
def make(root, tmp_path):
    def make_corpus(**settings):
        defaults = {"root": root, "cache": tmp_path / "cache", "num_workers": 1}
        return GiantStepsKey(**(defaults | {"features": FEATURES} | settings))

    return make_corpus


def names_of(corpus, column):
    ids = [clip.rpartition("/")[2].split(".")[0] for clip in corpus.clip_ids]
    return dict(zip(ids, column, strict=True))


def test_a_corpus_of_instances(make):
    corpus = make().load()
    keys = names_of(corpus, [CLASSES[int(row.argmax())] for row in corpus.y])
    assert keys == {
        "11": "Eb minor",
        "22": "B major",
        "33": "A minor",
        "88": "Eb minor",
        "99": "C major",
    }
    # 33 was made with somebody who once worked with a validating artist
    assert names_of(corpus, corpus.split.tolist()) == {
        "11": "train",
        "22": "val",
        "33": "val",
        "88": "test",
        "99": "test",
    }
    groups = names_of(corpus, corpus.groups)
    assert groups["22"] == groups["33"] == min(VALIDATES, OTHER, THIRD).lower()
    assert len(set(groups.values())) == 4
    np.testing.assert_array_equal(corpus.credit, mirex_credit())
    assert corpus.task == "multi_class"


def test_a_corpus_of_sound(make):
    corpus = make(features=Waveform(16_000)).load()
    assert sorted(names_of(corpus, corpus.split)) == ["11", "22", "33", "88", "99"]
    assert corpus.x.sample_rate == 16_000
    assert corpus.x.lengths.min() >= 32_000


def test_pieces_without_one_certain_key_are_left_out(make):
    left_out = make().annotations().left_out
    assert {path.rpartition("/")[2]: cause for path, cause in left_out.items()} == {
        "44.LOFI.mp3": "has the uncertain key '-'",
        "55.LOFI.mp3": "has several keys, 'F minor / G# major'",
        "66.LOFI.mp3": "has the uncertain key 'C major'",
        "77.LOFI.mp3": "has the uncertain key ''",
    }


def test_artists_connected_by_collaborations_are_in_one_split(make, root):
    rng = np.random.default_rng(1)
    pieces = {
        str(n): [f"A{a}" for a in rng.choice(150, rng.integers(1, 4), replace=False)]
        for n in range(1000, 1120)
    }
    keys = "".join(f"{n}\tC major\t2\n" for n in pieces)
    artists = "".join(f"{n}\t{', '.join(names)}\tx\n" for n, names in pieces.items())
    folder = root / TRAIN_FOLDER / "annotations"
    (folder / "annotations.txt").write_text("ID\tMANUAL KEY\tC\n" + keys)
    (folder / "beatport_metadata.txt").write_text("ID\tARTIST\tTITLE\n" + artists)
    held_out = {name for names in pieces.values() for name in names if hashed(name) >= 100}
    while (
        grown := {name for names in pieces.values() if held_out & set(names) for name in names}
        - held_out
    ):
        held_out |= grown
    annotations = make().annotations()
    split = dict(zip(labels(annotations), annotations.split, strict=True))
    for piece, names in pieces.items():
        assert split[piece] == ("val" if held_out & set(names) else "train")
    assert 0 < sum(split[piece] == "val" for piece in pieces) < len(pieces)


def test_audio_may_lie_in_one_folder(make, root):
    (root / "audio").mkdir()
    for half in (TRAIN_FOLDER, TEST_FOLDER):
        for path in (root / half / "audio").iterdir():
            path.rename(root / "audio" / path.name)
    assert make().load().clip_ids[0] == "audio/11.LOFI.mp3"


def test_folders_named_as_githubs_archives_are_found(make, root):
    (root / TRAIN_FOLDER).rename(root / f"{TRAIN_FOLDER}-master")
    (root / TEST_FOLDER).rename(root / f"{TEST_FOLDER}-master")
    for given in (root, root.parent):
        assert len(make(root=given).load().clip_ids) == 5


def test_the_command_counts(root, tmp_path, capsys):
    (root / TEST_FOLDER / "audio" / "99.LOFI.mp3").unlink()
    (root / TRAIN_FOLDER / "audio" / "5.LOFI.mp3").touch()
    arguments = ["--root", str(root), "--cache", str(tmp_path / "c"), "--num-workers", "1"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "4 clips: 1 train, 2 val, 1 test" in shown
    assert "left out because they are broken or wrong: 4" in shown
    assert "annotated but missing: 1" in shown
    assert "99.LOFI.mp3 is missing" in shown
    assert "other audio files, not used: 1" in shown


def test_a_missing_recording_stops_the_run(make, root):
    (root / TRAIN_FOLDER / "audio" / "11.LOFI.mp3").unlink()
    with pytest.raises(InputError, match=r"1 of 5 files .*11\.LOFI\.mp3 is missing"):
        make().load()


def test_a_root_a_level_off_is_reported(make, root, tmp_path):
    with pytest.raises(InputError, match=f"one level too low.*data.root={root}"):
        make(root=root / TEST_FOLDER).load()
    above = root.rename(tmp_path / "mine").parent
    with pytest.raises(InputError, match=r"one level too high.*mine"):
        make(root=above).load()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("annotations.txt", "D# minor", "H minor", r"line 2 .*'H minor' is not a key"),
        ("annotations.txt", "major\t1", "major\t3", r"line 7 .*C must be 0, 1 or 2, not '3'"),
        ("annotations.txt", "11\t", "12\t", r"line 2 .* names no artist of '12'"),
        ("annotations.txt", "22\t", "11\t", r"line 3 .* is the second with ID '11'"),
        ("annotations.txt", "11\tD# minor\t2", "11\tD# minor", "line 2 .* has 2 cells, not 3"),
        ("beatport_metadata.txt", "ARTIST", "ACT", "no column 'ARTIST'"),
        ("annotations.txt", "ID\t", "version https://git-lfs.github.com/spec/v1\n", "git-LFS"),
    ],
)
def test_malformed_lines_are_reported(make, root, file, old, new, message):
    path = root / TRAIN_FOLDER / "annotations" / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        make().annotations()


def test_a_malformed_key_of_the_test_set_is_reported(make, root):
    (root / TEST_FOLDER / "annotations/key/99.LOFI.key").write_text("C")
    with pytest.raises(InputError, match=r"99\.LOFI\.key: 'C' is not a key"):
        make().annotations()


def test_both_sets_are_needed(make, root):
    (root / TEST_FOLDER).rename(root / "away")
    with pytest.raises(InputError, match=f"has no {TEST_FOLDER}, and both sets are needed"):
        make().annotations()


def test_a_test_set_without_keys_is_reported(make, root):
    for path in (root / TEST_FOLDER / "annotations/key").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="has no keys of the test set"):
        make().annotations()
