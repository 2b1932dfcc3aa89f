"""Annotation files of the public corpora, each in a small folder as its authors ship it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from musicssl.audio.waveform import Waveform
from musicssl.datasets import (
    emomusic,
    esc50,
    fma,
    gtzan,
    irmas,
    magnatagatune,
    medley_solos_db,
    msd,
    sonyc_ust,
)
from musicssl.datasets.giantsteps_key import (
    MANUAL_KEYS,
    METADATA,
    TEST_FOLDER,
    TEST_KEYS,
    TRAIN_FOLDER,
    GiantStepsKey,
)
from musicssl.datasets.medleydb import MedleyDB
from musicssl.datasets.mtg_jamendo import MTGJamendo
from musicssl.datasets.nsynth import NSynth
from musicssl.datasets.openmic import OpenMIC
from musicssl.datasets.vocalset import VocalSet
from tests.support import medleydb_folder, openmic_folder
from tests.support.fuzzing.mutations import (
    Mutation,
    in_arrays,
    in_bytes,
    in_cells,
    in_head,
    in_json,
    in_yaml,
)

FEATURES = Waveform(8_000)
BY_SUFFIX: dict[str, tuple[Mutation, ...]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".lab", ".key"), (in_cells, in_cells, in_bytes)),
    ".json": (in_json, in_json, in_bytes),
    ".yaml": (in_yaml, in_yaml, in_bytes),
    ".npy": (in_bytes, in_head),
    ".npz": (in_arrays, in_bytes),
}


def _gtzan(root: Path) -> None:
    (root / "genres").mkdir(parents=True)
    for number, part in enumerate(("train", "valid", "test")):
        clips = [f"{genre}/{genre}.0000{number}.wav" for genre in gtzan.CLASSES]
        (root / f"{part}_filtered.txt").write_text("\n".join(clips))


def _irmas(root: Path) -> None:
    for code in irmas.INSTRUMENTS:
        _touch(root / "IRMAS-TrainingData" / code / f"[{code}][pop_roc]0900__1.wav")
    for number, text in enumerate(("gel\t\nvoi\t\n", "pia\t\r\ncla", "cel\t\ncla\t\n"), 1):
        stem = root / f"IRMAS-TestingData-Part{number}" / f"Part{number}" / "a song"
        _touch(stem.with_suffix(".wav"))
        stem.with_suffix(".txt").write_text(text)


def _magnatagatune(root: Path) -> None:
    stems = ("f/ann-album-01-song_a-30-59", "0/bob-album-02-song_b-0-29")
    rows = [["clip_id", *magnatagatune.TOP50, "mp3_path"]]
    for clip, stem in enumerate(stems):
        _touch(root / f"{stem}.mp3")
        rows.append([str(clip), *"01" * 25, f"{stem}.mp3"])
    quoted = ["\t".join(f'"{cell}"' for cell in row) for row in rows]
    (root / magnatagatune.ANNOTATIONS).write_text("\n".join(quoted) + "\n")
    (root / magnatagatune.CLIP_INFO).write_text("clip_id\tartist\n0\tAnn\n1\tBob\n")


def _medleydb(root: Path) -> None:
    (root / "Audio").mkdir(parents=True)
    medleydb_folder.write_package(root)


def _msd(root: Path) -> None:
    root.mkdir()
    for part, numbers in (("train", "6010476\n599\n"), ("valid", "397\n"), ("test", "235\n")):
        (root / f"{part}_x_7d_id.txt").write_text(numbers)
        tags = np.eye(numbers.count("\n"), len(msd.CLASSES), dtype=bool)
        np.save(root / f"{part}_y.npy", tags)
    (root / "train_x_7d_invalid_audio_id.txt").write_text("599\n")
    _touch(root / "audio" / "6" / "0" / "6010476.clip.mp3")


def _mtg_jamendo(root: Path) -> None:
    splits = root / "data" / "splits" / "split-0"
    splits.mkdir(parents=True)
    head = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\r\n"
    for number, part in enumerate(("train", "validation", "test"), 214):
        cells = (
            f"track_0000{number}\tartist_000014\talbum_000031\t{number % 100}/{number}.mp3\t151.4"
        )
        row = f"{cells}\tgenre---rock\tinstrument---guitar\r\n"
        (splits / f"autotagging_top50tags-{part}.tsv").write_text(head + row)
        _touch(root / "audio" / f"{number % 100}/{number}.mp3")


def _nsynth(root: Path) -> None:
    for number, part in enumerate(("train", "valid", "test")):
        notes = {
            f"bass_synthetic_00{number}-0{pitch}-025": {
                **{"pitch": pitch, "instrument_str": f"bass_synthetic_00{number}"},
                **{"instrument_family_str": "bass", "qualities": [0, 1], "note": 217499},
            }
            for pitch in (60, 61)
        }
        folder = root / f"nsynth-{part}"
        (folder / "audio").mkdir(parents=True)
        (folder / "examples.json").write_text(json.dumps(notes, indent=4))


def _openmic(root: Path) -> None:
    openmic_folder.write_openmic(root)
    arrays = {"X": openmic_folder.CODES, "Y_mask": openmic_folder.MASK}
    np.savez(root / "openmic-2018.npz", Y_true=openmic_folder.RELEVANCE, **arrays)  # no pickles
    openmic_folder.write_metadata(root, openmic_folder.KEYS)


def _sonyc_ust(root: Path) -> None:
    root.mkdir()
    coarse = [f"{number}_{name}" for number, name in enumerate(sonyc_ust.TAXONOMY, 1)]
    numbers = {name: number for number, name in enumerate(sonyc_ust.TAXONOMY, 1)}
    unsure = [f"{numbers[name]}-X_{fine}" for name, fine in sonyc_ust.UNCERTAIN.items()]
    names = [f"{name}_presence" for name in coarse + unsure]
    lines = [",".join(["split", "audio_filename", "annotator_id", *names])]
    for split, clip, annotator in (("train", "a", 5), ("validate", "b", 0), ("test", "c", 0)):
        lines.append(
            ",".join(
                [
                    split,
                    f"{clip}.wav",
                    str(annotator),
                    *[("0", "1", "-1")[n % 3] for n in range(len(names))],
                ]
            )
        )
    (root / sonyc_ust.TABLE).write_text("\n".join(lines))


def _vocalset(root: Path) -> None:
    for singer in ("female1", "male11", "female2"):
        _touch(root / "FULL" / singer / "scales" / "belt" / f"{singer}_scales_belt_a.wav")
    (root / "train_singers_technique.txt").write_text("female1\nmale11")
    (root / "test_singers_technique.txt").write_text("female2\n")


def _emomusic(root: Path) -> None:
    root.mkdir()
    songs = ['"song_id","file_name","Artist","Song title","start","Mediaeval 2013 set"']
    ratings = ["song_id,mean_arousal,std_arousal,mean_valence,std_valence"]
    for number, part in ((2, "development"), (3, "development"), (10, "evaluation")):
        songs.append(f'{number},"\t{number}.mp3","Band {number}\t","\tA, B\t","\t0.5\t","{part}"')
        ratings.append(f"{number},{1 + number / 4},0.5,{number / 5 + 1},0.5")
    (root / emomusic.SONGS).write_text("\n".join(songs))
    (root / emomusic.RATINGS).write_text("\n".join(ratings))


def _fma(root: Path) -> None:
    (root / "fma_metadata").mkdir(parents=True)
    lines = [",album,artist,set,set", ",id,id,split,subset", "track_id,,,,"]
    for number, split in ((2, "training"), (5, "validation"), (9, "test")):
        lines.append(f'{number},"a ""b"", c",{number},{split},small')
        _touch(root / "fma_small" / "000" / f"00000{number}.mp3")
    (root / fma.TABLE).write_text("\n".join(lines))


def _giantsteps_key(root: Path) -> None:
    train, test = root / TRAIN_FOLDER, root / TEST_FOLDER
    for file in (train / MANUAL_KEYS, train / METADATA, test / TEST_KEYS / "7.LOFI.key"):
        file.parent.mkdir(parents=True, exist_ok=True)
    (train / MANUAL_KEYS).write_text("ID\tMANUAL KEY\tC\n10\tC minor\t2\n11\tc / d\t2\n12\t-\t0\n")
    (train / METADATA).write_text("ID\tARTIST\n10\tAnn, Bob\n11\tBob\n12\tCy\n")
    (test / TEST_KEYS / "7.LOFI.key").write_text("F# minor\n")


def _medley_solos_db(root: Path) -> None:
    table = root / medley_solos_db.TABLE
    table.parent.mkdir(parents=True)
    lines = ["subset,instrument,instrument_id,song_id,uuid4"]
    for number, subset in enumerate(("training", "validation", "test")):
        lines.append(f"{subset},{medley_solos_db.CLASSES[number]},{number},{number},000{number}-a")
    table.write_text("\n".join(lines))


def _esc50(root: Path) -> None:
    table = root / esc50.TABLE
    table.parent.mkdir(parents=True)
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in range(1, 6):
        for target, name in enumerate(("dog", "rooster")):
            lines.append(f"{fold}-10{fold}-A-{target}.wav,{fold},{target},{name},True,10{fold},A")
    table.write_text("\n".join(lines))


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


CORPORA: dict[str, tuple[Callable[[Path], Any], Callable[..., Any]]] = {
    "gtzan": (_gtzan, gtzan.GTZAN),
    "irmas": (_irmas, irmas.IRMAS),
    "magnatagatune": (_magnatagatune, magnatagatune.MagnaTagATune),
    "medleydb": (_medleydb, MedleyDB),
    "msd": (_msd, msd.MSD),
    "mtg_jamendo": (_mtg_jamendo, MTGJamendo),
    "nsynth": (_nsynth, NSynth),
    "openmic": (_openmic, OpenMIC),
    "sonyc_ust": (_sonyc_ust, sonyc_ust.SonycUST),
    "vocalset": (_vocalset, VocalSet),
    "emomusic": (_emomusic, emomusic.EmoMusic),
    "fma": (_fma, fma.FMA),
    "giantsteps_key": (_giantsteps_key, GiantStepsKey),
    "medley_solos_db": (_medley_solos_db, medley_solos_db.MedleySolosDB),
    "esc50": (_esc50, esc50.ESC50),
}


def prepare(folder: Path) -> dict[str, tuple[Mutation, ...]]:
    """Write all corpora, each into a folder of its name; return how their files are damaged."""
    for name, (write, _) in CORPORA.items():
        write(folder / name)
        for dataset in _datasets(folder, name):
            for path in dataset.annotations().paths:
                _touch(dataset.folder / path)
    (folder / "x").touch()  # outside of all of them
    return {
        path.relative_to(folder).as_posix(): BY_SUFFIX[path.suffix]
        for path in sorted(folder.rglob("*"))
        if path.suffix in BY_SUFFIX
    }


def read(folder: Path, changed: str) -> None:
    """Read the annotations of the corpus that a file belongs to, and look for its recordings."""
    name = changed.partition("/")[0]
    if name == "openmic":
        OpenMIC(folder / name).load()
    for dataset in _datasets(folder, name):
        inside = dataset.folder.resolve()
        for path in dataset.found.annotations.paths:
            assert (inside / path).resolve().is_relative_to(inside), path


def _datasets(folder: Path, name: str) -> list[Any]:
    """Return a corpus, in all forms in which other files of it are read."""
    common = {"root": folder / name, "features": FEATURES}
    if name == "openmic":
        return []
    if name == "medleydb":
        forms = (("stems", "none"), ("mixes", "v2"), ("mixes", "source_id"))
        common["metadata"] = str(folder / name)
        return [MedleyDB(**common, what=what, activity=activity) for what, activity in forms]
    return [CORPORA[name][1](**common)]
