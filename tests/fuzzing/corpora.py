"""Annotation files of the public corpora, each in a small folder as its authors ship it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from musicssl.audio.waveform import Waveform
from musicssl.datasets.emomusic import RATINGS, SONGS, EmoMusic
from musicssl.datasets.esc50 import ESC50
from musicssl.datasets.fma import FMA
from musicssl.datasets.giantsteps_key import (
    MANUAL_KEYS,
    METADATA,
    TEST_FOLDER,
    TEST_KEYS,
    TRAIN_FOLDER,
    GiantStepsKey,
)
from musicssl.datasets.gtzan import GTZAN
from musicssl.datasets.irmas import IRMAS
from musicssl.datasets.magnatagatune import CLIP_INFO, MagnaTagATune
from musicssl.datasets.medley_solos_db import TABLE as SOLOS
from musicssl.datasets.medley_solos_db import MedleySolosDB
from musicssl.datasets.medleydb import MedleyDB
from musicssl.datasets.msd import MSD
from musicssl.datasets.mtg_jamendo import MTGJamendo
from musicssl.datasets.nsynth import NSynth
from musicssl.datasets.openmic import OpenMIC
from musicssl.datasets.sonyc_ust import SonycUST
from musicssl.datasets.vocalset import VocalSet
from tests.datasets import (
    test_emomusic,
    test_esc50,
    test_fma,
    test_gtzan,
    test_irmas,
    test_magnatagatune,
    test_medley_solos_db,
    test_msd,
    test_mtg_jamendo,
    test_nsynth,
    test_sonyc_ust,
    test_vocalset,
)
from tests.fuzzing.mutations import (
    Mutation,
    in_arrays,
    in_bytes,
    in_cells,
    in_head,
    in_json,
    in_yaml,
)
from tests.support import medleydb_folder, openmic_folder

FEATURES = Waveform(8_000)
BY_SUFFIX: dict[str, tuple[Mutation, ...]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".lab", ".key"), (in_cells, in_cells, in_bytes)),
    ".json": (in_json, in_json, in_bytes),
    ".yaml": (in_yaml, in_yaml, in_bytes),
    ".npy": (in_bytes, in_head),
    ".npz": (in_arrays, in_bytes),
}


def _gtzan(root: Path) -> None:
    test_gtzan.write_audio(root / "genres", test_gtzan.TRAIN[:1])
    test_gtzan.write_lists(root)


def _irmas(root: Path) -> None:
    test_irmas.write_training(root)
    test_irmas.write_testing(root)


def _magnatagatune(root: Path) -> None:
    root.mkdir()
    test_magnatagatune.write_table(root / "annotations_final.csv", test_magnatagatune.CLIPS)
    test_magnatagatune.write_audio(root)
    artists = [
        f"{clip}\t{stem.partition('-')[0]}" for clip, (stem, _) in test_magnatagatune.CLIPS.items()
    ]
    (root / CLIP_INFO).write_text("clip_id\tartist\n" + "\n".join(artists) + "\n")


def _medleydb(root: Path) -> None:
    (root / "Audio").mkdir(parents=True)
    medleydb_folder.write_package(root)


def _msd(root: Path) -> None:
    test_msd.write_split(root)
    test_msd.write_audio(root / "audio")
    (root / "train_x_7d_invalid_audio_id.txt").write_text("599\n")


def _mtg_jamendo(root: Path) -> None:
    test_mtg_jamendo.write_splits(root)
    test_mtg_jamendo.write_audio(root / "audio", seconds=0.1)


def _nsynth(root: Path) -> None:
    for part, notes in test_nsynth.NOTES.items():
        (root / part / "audio").mkdir(parents=True)
        (root / part / "examples.json").write_text(json.dumps(notes))


def _openmic(root: Path) -> None:
    openmic_folder.write_openmic(root)
    arrays = {"X": openmic_folder.CODES, "Y_mask": openmic_folder.MASK}
    np.savez(root / "openmic-2018.npz", Y_true=openmic_folder.RELEVANCE, **arrays)  # no pickles
    openmic_folder.write_metadata(root, openmic_folder.KEYS)


def _sonyc_ust(root: Path) -> None:
    root.mkdir()
    test_sonyc_ust.written(root, [test_sonyc_ust.row(*line) for line in test_sonyc_ust.LINES])


def _vocalset(root: Path) -> None:
    test_vocalset.write_audio(root / "FULL", test_vocalset.CLIPS[:20])
    for name, singers in zip(
        test_vocalset.LISTS.values(),
        (test_vocalset.TRAIN_SINGERS, test_vocalset.TEST_SINGERS),
        strict=True,
    ):
        (root / name).write_text("\n".join(singers))


def _emomusic(root: Path) -> None:
    root.mkdir()
    (root / SONGS).write_text(test_emomusic.SONGS)
    (root / RATINGS).write_text(test_emomusic.RATINGS)


def _fma(root: Path) -> None:
    test_fma.write_table(root)
    test_fma.write_audio(root, "small", [2, 5])


def _giantsteps_key(root: Path) -> None:
    train, test = root / TRAIN_FOLDER, root / TEST_FOLDER
    for file in (train / MANUAL_KEYS, train / METADATA, test / TEST_KEYS / "7.LOFI.key"):
        file.parent.mkdir(parents=True, exist_ok=True)
    (train / MANUAL_KEYS).write_text("ID\tMANUAL KEY\tC\n10\tC minor\t2\n11\tc / d\t2\n12\t-\t0\n")
    (train / METADATA).write_text("ID\tARTIST\n10\tAnn, Bob\n11\tBob\n12\tCy\n")
    (test / TEST_KEYS / "7.LOFI.key").write_text("F# minor\n")


CORPORA: dict[str, tuple[Callable[[Path], Any], Callable[..., Any]]] = {
    "gtzan": (_gtzan, GTZAN),
    "irmas": (_irmas, IRMAS),
    "magnatagatune": (_magnatagatune, MagnaTagATune),
    "medleydb": (_medleydb, MedleyDB),
    "msd": (_msd, MSD),
    "mtg_jamendo": (_mtg_jamendo, MTGJamendo),
    "nsynth": (_nsynth, NSynth),
    "openmic": (_openmic, OpenMIC),
    "sonyc_ust": (_sonyc_ust, SonycUST),
    "vocalset": (_vocalset, VocalSet),
    "emomusic": (_emomusic, EmoMusic),
    "fma": (_fma, FMA),
    "giantsteps_key": (_giantsteps_key, GiantStepsKey),
    "medley_solos_db": (lambda root: test_medley_solos_db.write_table(root / SOLOS), MedleySolosDB),
    "esc50": (test_esc50.write_table, ESC50),
}


def prepare(folder: Path) -> dict[str, tuple[Mutation, ...]]:
    """Write all corpora, each into a folder of its name; return how their files are damaged."""
    for name, (write, _) in CORPORA.items():
        write(folder / name)
        for dataset in _datasets(folder, name):
            for path in dataset.annotations().paths:
                (dataset.folder / path).parent.mkdir(parents=True, exist_ok=True)
                (dataset.folder / path).touch()
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
