"""What is fuzzed: folders of valid files, how each may be damaged, and how musicssl reads them."""

import json
import shutil
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

import musicssl
from musicssl.audio.decode import read_audio, read_stretch
from musicssl.audio.file_stores import file_store
from musicssl.audio.inspection import inspect
from musicssl.audio.shard_index import Place
from musicssl.audio.shards import ShardedSound
from musicssl.audio.store import ClipStore
from musicssl.audio.waveform import Waveform
from musicssl.data.validation import listed_clips
from musicssl.datasets.audio_folder import AudioFolder
from musicssl.datasets.base.sharded_corpus import corpus_of, write_corpus
from musicssl.datasets.base.unpack import unpack
from musicssl.datasets.formats.abc_notation import read_abc
from musicssl.datasets.formats.embeddings_file import read_embeddings
from musicssl.datasets.formats.labels_csv import read_label_table
from musicssl.datasets.formats.tables import read_table
from musicssl.datasets.synthesis.scores import read_score
from musicssl.datasets.synthesis.sound_font import open_sound_font
from musicssl.encoders.pretrained.tensor_bundle import read_index, read_tensor
from musicssl.errors import InputError
from musicssl.inference.exported import WEIGHTS, add_part, write_exported
from musicssl.inference.label_files import read_audacity
from musicssl.inference.loading import describe
from musicssl.report.read.probe_results import read_probe
from musicssl.report.read.runs import read_run
from musicssl.runs.folder import RunFolder
from tests.support.fuzzing import corpora
from tests.support.fuzzing.mutations import (
    Mutation,
    another_document,
    in_arrays,
    in_bytes,
    in_cells,
    in_chunks,
    in_head,
    in_json,
    in_members,
    in_parts,
    in_yaml,
)
from tests.support.midi_file import write_midi
from tests.support.sound_font_file import harmonics, write_sound_font
from tests.support.synthetic_probes import write_probe
from tests.support.synthetic_runs import settings, write_run
from tests.support.tensor_bundles import bundle
from tests.support.tiny import Tiny

FIXTURES = Path(__file__).parents[2] / "fixtures" / "runs_of_0_1"
Damages = Mapping[str, tuple[Mutation, ...]]
ARRAYS = (in_arrays, in_arrays, in_parts, in_bytes)
TABLE = (in_cells, in_cells, in_bytes)
YAML = (in_yaml, in_yaml, another_document, in_bytes)
JSON = (in_json, in_json, another_document, in_bytes)


@dataclass(frozen=True)
class Reader:
    """Files of one kind and what reads them.

    Attributes:
        prepare: Writes valid files into an empty folder; returns how each may be damaged, by its
            path within the folder.
        read: Reads the folder, of which one file was damaged.
    """

    prepare: Callable[[Path], Damages]
    read: Callable[[Path, str], object]


RATE = 8_000
SOUND = {
    "a.wav": ("WAV", "PCM_16"), "floats.wav": ("WAV", "FLOAT"), "24.wav": ("WAV", "PCM_24"),
    "a.aiff": ("AIFF", "PCM_16"), "a.au": ("AU", "PCM_16"), "a.caf": ("CAF", "PCM_16"),
    "a.w64": ("W64", "PCM_16"), "a.rf64": ("RF64", "PCM_16"), "a.sph": ("NIST", "PCM_16"),
    "a.flac": ("FLAC", "PCM_16"), "a.ogg": ("OGG", "VORBIS"), "a.opus": ("OGG", "OPUS"),
    "a.mp3": ("MP3", "MPEG_LAYER_III"),
}  # fmt: skip


def write_sound(folder: Path) -> Damages:
    """Write a tenth of a second in all formats."""
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, (RATE // 10, 2))
    for name, (form, coding) in SOUND.items():
        soundfile.write(folder / name, samples, RATE, format=form, subtype=coding)
    return dict.fromkeys(SOUND, (in_head, in_bytes))


def read_sound(folder: Path, changed: str) -> None:
    """Read a header, the whole, and a stretch, which must be that part of the whole."""
    path = folder / changed
    header = inspect(path)
    whole = read_audio(path, RATE)
    part = read_stretch(path, RATE, 100, 200)
    assert header.frames > 0
    np.testing.assert_allclose(part, whole[100:300], atol=1e-4)


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "embeddings": rng.standard_normal((6, 3, 4)).astype(np.float32),
        "clip_ids": np.array([f"{row}.wav" for row in range(6)]),
        "targets": np.eye(6, 2, dtype=np.float32),
        "mask": np.ones((6, 2), bool),
        "split": np.array(["train", "val", "test"] * 2),
        "classes": np.array(["a", "b"]),
        "lengths": np.array([1, 2, 3, 1, 2, 3]),
    }


def write_embeddings(folder: Path) -> Damages:
    known = arrays()
    np.savez(folder / "plain.npz", **known)
    np.savez_compressed(folder / "compressed.npz", **known)
    lists = pa.array(known["embeddings"].tolist(), pa.list_(pa.list_(pa.float32())))
    table = pa.table({"clip_id": known["clip_ids"], "embedding": lists, "split": known["split"]})
    pq.write_table(table, folder / "h.parquet")
    return {"plain.npz": ARRAYS, "compressed.npz": ARRAYS, "h.parquet": (in_bytes, in_head)}


def write_lists(folder: Path) -> Damages:
    """Write lists of validation clips: ids, and positions in an archive."""
    ids = Tiny().load().clip_ids
    (folder / "val.txt").write_text("\n".join(ids[:3]))
    np.savez(folder / "val.npz", val=np.arange(3))
    return {"val.txt": TABLE, "val.npz": ARRAYS}


def read_list(folder: Path, changed: str) -> None:
    corpus = Tiny().load()
    train, val = listed_clips(corpus, np.arange(len(corpus.clip_ids)), folder / changed)
    assert len(np.intersect1d(train, val)) == 0 < len(val)


def write_tables(folder: Path) -> Damages:
    for name in ("a", "b"):
        soundfile.write(folder / f"{name}.wav", np.full(800, 0.1), RATE)
    rows = 'path,labels,split,group\na.wav,tone;loud,train,"x"\nb.wav,"[""noise""]",test,y\n'
    (folder / "labels.csv").write_text(rows)
    (folder / "annotations.csv").write_text("start,end\n1,2\n3,4\n")
    (folder / "track.txt").write_text("0.0\t1.5\tdrums\n\\\t100\t200\n2\t3\tvoice\n")
    return {"labels.csv": TABLE, "annotations.csv": TABLE, "track.txt": TABLE}


def read_any_table(folder: Path, changed: str) -> None:
    path = folder / changed
    if changed == "labels.csv":
        table = read_label_table(path, folder)
        assert set(table.labels) <= {"a.wav", "b.wav"}
    elif changed == "track.txt":
        read_audacity(path)
    else:
        read_table(path, ("start", "end"), "mend it")


def write_archives(folder: Path) -> Damages:
    packed = folder / "packed"
    packed.mkdir()
    for name in ("b.txt", "c.txt"):
        (packed / name).write_text("hello" * 40)
    for kind in ("zip", "tar", "gztar"):
        shutil.make_archive(str(folder / "x"), kind, packed)
    shutil.rmtree(packed)
    zips, tars = (in_parts, in_parts, in_bytes), (in_members, in_members, in_bytes)
    return {"x.zip": zips, "x.tar": tars, "x.tar.gz": (in_bytes, in_head)}


def read_archive(folder: Path, changed: str) -> None:
    """Unpack; nothing may come to lie elsewhere."""
    before = {path.name for path in folder.iterdir()}
    inside = folder / "inside"
    try:
        unpack(folder / changed, inside / "out")
        assert not any(path.is_symlink() for path in inside.rglob("*"))
    finally:
        left = {path.name for path in folder.iterdir()} - before - {"inside"}
        left |= {path.name for path in inside.glob("*")} - {"out", ".out.lock"}
        shutil.rmtree(inside, ignore_errors=True)
    assert not left, left


def write_stores(folder: Path) -> Damages:
    """Write a clip store, and the same clips in shards."""
    (folder / "labels.csv").write_text("path,labels\na.wav,x\nb.wav,y\n")
    for name in ("a.wav", "b.wav"):
        soundfile.write(folder / name, np.full(800, 0.1), RATE)
    cache = folder / "cache"
    form = {"features": Waveform(RATE), "labels": "labels.csv", "num_workers": 1}
    dataset = AudioFolder(root=folder, cache=cache, **form)
    write_corpus(dataset.load(), str(folder / "shards"), 0.001, 1)
    file_store(folder, ["a.wav", "b.wav"], RATE, cache, "c", 1).folder.rename(folder / "store")
    shutil.rmtree(cache)
    return {
        "store/index.json": JSON,
        "store/samples.i16": (in_bytes,),
        "shards/index.json": JSON,
        "shards/clips.npz": ARRAYS,
    }


def read_store(folder: Path, changed: str) -> None:
    """Open a store and read from it; a damaged table of clips has the checksum that it needs."""
    if changed.startswith("store"):
        (folder / "store" / "verified.json").unlink(missing_ok=True)
        ClipStore.open(folder / "store").read(np.array([0]), np.array([0]), 100)
        return
    index = folder / "shards" / "index.json"
    if changed == "shards/clips.npz":
        content = json.loads(index.read_bytes())
        content["clips_crc32"] = zlib.crc32((folder / changed).read_bytes())
        index.write_text(json.dumps(content))
    url = str(folder / "shards")
    sound, found = ShardedSound.open(Place.of(url), folder / "cache", 0.0)
    corpus_of(sound, found, url)


def write_folders(folder: Path) -> Damages:
    write_run(folder / "run", settings())
    write_probe(folder / "probe")
    kinds = {".yaml": YAML, ".json": JSON, ".npz": ARRAYS}
    return {
        path.relative_to(folder).as_posix(): kinds[path.suffix]
        for path in sorted(folder.rglob("*"))
        if path.suffix in kinds
    }


def read_folder(folder: Path, changed: str) -> None:
    """Read a run or a probe as a report does; also the settings, as the next command does."""
    kind = changed.partition("/")[0]
    path = folder / kind
    if changed == "run/config.yaml":
        with suppress(InputError):  # that of the report is to be a sentence as well
            RunFolder(path).check(settings())
    (read_run if kind == "run" else read_probe)(path)


def write_models(folder: Path) -> Damages:
    """Write a checkpoint of an earlier version, and what is exported of it."""
    shutil.copy(FIXTURES / "att" / "checkpoints" / "best.ckpt", folder / "att.ckpt")
    write_exported(folder / "exported", describe(folder / "att.ckpt"), "")
    return {
        "att.ckpt": (in_parts, in_parts, in_parts, in_bytes),
        "exported/config.json": JSON,
        f"exported/{WEIGHTS}": (in_bytes, in_head),
    }


def read_model(folder: Path, changed: str) -> None:
    """Load a network; damaged weights have the checksum that they need."""
    if changed.endswith(WEIGHTS):
        add_part(folder / "exported", WEIGHTS)
    musicssl.load(folder / changed.partition("/")[0])


def write_music(folder: Path) -> Damages:
    piano = (0, False, [(0.0, 0.5, 60, 100), (0.5, 0.5, 64, 90)])
    drums = (0, True, [(0.0, 0.2, 36, 100)])
    write_midi(folder / "a.mid", [piano, drums])
    tune = "X:1\nT:A\nM:4/4\nL:1/8\nK:G\n|: G2AB c2d2 | (3efg ^f=f _e,e' :|\n[1 [Gd]4 z4 |]\n"
    (folder / "a.abc").write_text(tune * 2)
    wave = harmonics([1.0], 0.1)
    write_sound_font(folder / "a.sf2", [wave], {(0, 0): [(0, {})], (0, 1): [(0, {54: 1})]})
    return {
        "a.mid": (in_chunks, in_chunks, in_bytes, in_head),
        "a.abc": (in_cells, in_bytes),
        "a.sf2": (in_bytes, in_head),
    }


def read_music(folder: Path, changed: str) -> None:
    path = folder / changed
    if changed == "a.mid":
        score = read_score(path)
        if not isinstance(score, str):
            score.draw(np.random.default_rng(0), 1.0)
    elif changed == "a.abc":
        read_abc(path)
    else:
        open_sound_font(path)


def write_bundle(folder: Path) -> Damages:
    index, data = bundle({"a": np.eye(2), "b": np.ones(3), "model/c": np.zeros((2, 1, 2))})
    (folder / "model.index").write_bytes(index)
    (folder / "model.data").write_bytes(data)
    return {"model.index": (in_bytes, in_head), "model.data": (in_bytes,)}


def read_bundle(folder: Path, changed: str) -> None:
    entries = read_index((folder / "model.index").read_bytes())
    for entry in entries.values():
        read_tensor(entry, (folder / "model.data").read_bytes())


READERS = {
    "sound": Reader(write_sound, read_sound),
    "embeddings": Reader(write_embeddings, lambda folder, name: read_embeddings(folder / name)),
    "lists of clips": Reader(write_lists, read_list),
    "tables": Reader(write_tables, read_any_table),
    "annotations": Reader(corpora.prepare, corpora.read),
    "archives": Reader(write_archives, read_archive),
    "clip stores": Reader(write_stores, read_store),
    "runs and probes": Reader(write_folders, read_folder),
    "checkpoints, models": Reader(write_models, read_model),
    "MIDI, ABC, SoundFonts": Reader(write_music, read_music),
    "TensorFlow bundles": Reader(write_bundle, read_bundle),
}
