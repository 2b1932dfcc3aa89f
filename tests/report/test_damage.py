"""Damaged folders of runs and probes: each is named in one sentence, and none ends the report."""

import json
import os
import shutil
import zipfile

import numpy as np
import pytest
import yaml

from musicssl.errors import InputError
from musicssl.report.__main__ import main
from musicssl.report.analysis.probe_study import read_probe_study
from musicssl.report.analysis.study import read_studies
from musicssl.report.read.probe_results import read_probe
from musicssl.report.read.runs import read_run
from tests.support.fuzzing.mutations import DOCUMENTS
from tests.support.synthetic_probes import UNTRAINED, source, write_probe
from tests.support.synthetic_runs import settings, write_run

VALUES = [None, True, -1, 1e400, 10**400, "\x1b[2J", "", [], {}, [[]], {"a": []}, [1, "x"], 0.5]


def mutated_text(rng, content):
    """Damage bytes as disks, editors and tools do."""
    kind = rng.integers(6)
    data = bytearray(content)
    if kind == 0:
        return bytes(data[: rng.integers(len(data))])
    if kind == 1:
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        return bytes(data)
    if kind == 2:
        start = int(rng.integers(len(data)))
        data[start : start + 64] = bytes(64)
        return bytes(data)
    if kind == 3:
        start, end = sorted(rng.integers(len(data), size=2))
        return bytes(data[:start] + data[end:])
    if kind == 4:
        return rng.bytes(int(rng.integers(1, 2000)))
    return bytes(data) + rng.bytes(20)


def mutated_values(rng, node):
    """Put another value at a random place of nested values, or take a key away."""
    if isinstance(node, dict | list) and node and rng.random() < 0.8:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = keys[rng.integers(len(keys))]
        if isinstance(node, dict) and rng.random() < 0.15:
            return {name: value for name, value in node.items() if name != key}
        changed = node.copy()
        changed[key] = mutated_values(rng, node[key])
        return changed
    return VALUES[rng.integers(len(VALUES))]


def mutated_arrays(rng, file):
    """Give one array another kind or shape, or take it away."""
    with np.load(file) as loaded:
        arrays = dict(loaded)
    name = list(arrays)[rng.integers(len(arrays))]
    array = arrays[name]
    kind = rng.integers(8)
    changes = {
        0: lambda: array[..., None],
        1: lambda: np.atleast_1d(array)[:0],
        2: lambda: np.array([1, "x", None], dtype=object),
        3: lambda: array.astype("U9"),
        4: lambda: np.full(array.shape, np.nan),
        5: lambda: np.zeros(array.shape, np.complex128),
        6: lambda: array.ravel(),
    }
    if kind == 7:
        del arrays[name]
    else:
        arrays[name] = changes[int(kind)]()
    np.savez(file, **arrays)


def damage(rng, folder):
    """Damage a file of a folder; return what was done."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".yaml", ".json", ".npz")]
    file = files[rng.integers(len(files))]
    kind = rng.random()
    if kind < 0.25:
        name = list(DOCUMENTS)[rng.integers(len(DOCUMENTS))]
        file.write_bytes(DOCUMENTS[name])
        return f"{file.name}: {name}"
    if kind < 0.5 or (kind < 0.75 and file.suffix == ".npz" and rng.random() < 0.3):
        file.write_bytes(mutated_text(rng, file.read_bytes()))
        return f"{file.name}: bytes"
    if file.suffix == ".npz":
        mutated_arrays(rng, file)
        return f"{file.name}: arrays"
    if file.suffix == ".json":
        document = json.loads(file.read_text())
        file.write_text(json.dumps(mutated_values(rng, document)))
    else:
        config = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump(mutated_values(rng, config)))
    return f"{file.name}: values"


def refusal(read, folder, what):
    """The sentence with which a folder is refused; None if it is read."""
    try:
        read(folder)
    except InputError as error:
        return str(error)
    except Exception as error:
        raise AssertionError(what) from error
    return None


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", ["run", "probe"])
def test_any_damage_is_one_sentence_or_none(tmp_path, say, kind):
    rng, tried, named = np.random.default_rng(0), 1500, 0
    read = read_run if kind == "run" else read_probe
    sound = tmp_path / "sound"
    if kind == "run":
        write_run(sound, settings())
    else:
        write_probe(sound)
    for _ in range(tried):
        folder = tmp_path / "damaged"
        shutil.copytree(sound, folder)
        what = damage(rng, folder)
        message = refusal(read, folder, what)
        if message is not None:
            named += 1
            assert str(folder) in message, what
            assert message.isprintable(), what  # so it is one line
            assert len(message) < 1000, what
        shutil.rmtree(folder)
    say(f"damaged folders of a {kind}: {tried} tried, {named} refused, 0 unexplained")
    assert named > tried / 2


@pytest.mark.fuzz
def test_a_report_over_damaged_folders_shows_the_sound_ones(tmp_path, capsys, say):
    rng, tried = np.random.default_rng(1), 150
    runs = tmp_path / "runs"
    for name, quality in (("att", 0.4), ("b", 0.9)):
        write_run(runs / "sound" / name, settings(name), quality)
    for name, made_by in (("u", UNTRAINED), ("m", source())):
        write_probe(runs / "sound" / f"probe_{name}", made_by)
    for number in range(tried):
        folder = runs / "damaged" / f"{number}"
        (write_run(folder, settings(seed=9)) if number % 2 else write_probe(folder, source(seed=9)))
        damage(rng, folder)
    main([str(runs), "--out", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    named = printed.count("Left out: ")
    say(f"damaged folders of a report: {tried} tried, {named} left out, 0 unexplained")
    assert named > tried / 2
    assert all(line.isprintable() for line in printed.split("\n"))
    assert "b measures +" in printed
    assert "untrained_cnn" in printed


# --- single cases


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
@pytest.mark.parametrize("name", ["config.yaml", "metrics.json", "predictions.npz"])
def test_a_file_of_a_run_that_holds_something_else_is_named(tmp_path, name, text):
    folder = write_run(tmp_path / "run", settings())
    (folder / name).write_bytes(text)
    [sentence] = read_studies([tmp_path]).left_out
    assert sentence.startswith(f"Left out: {folder / name} is missing or damaged (")
    assert sentence.isprintable()


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
@pytest.mark.parametrize("name", ["config.yaml", "probe.json", "predictions.npz"])
def test_a_file_of_a_probe_that_holds_something_else_is_named(tmp_path, name, text):
    folder = write_probe(tmp_path / "probe")
    (folder / name).write_bytes(text)
    [sentence] = read_probe_study([tmp_path]).left_out
    assert sentence.startswith(f"Left out: {folder / name} is missing or damaged (")
    assert sentence.isprintable()


@pytest.mark.parametrize("name", ["classes", "clip_ids"])
@pytest.mark.parametrize("write", [lambda place: write_run(place, settings()), write_probe])
def test_names_that_are_no_list_are_refused(tmp_path, write, name):
    file = write(tmp_path / "folder") / "predictions.npz"
    with np.load(file) as loaded:
        arrays = dict(loaded)
    np.savez(file, **arrays | {name: arrays[name][:, None]})
    main_reads = [read_studies([tmp_path]).left_out, read_probe_study([tmp_path]).left_out]
    [sentence] = [sentence for left_out in main_reads for sentence in left_out]
    assert f"its {name} are no list" in sentence


def test_a_file_that_is_a_folder_or_a_pipe_is_passed_over(tmp_path):
    write_run(tmp_path / "sound", settings())
    for name in ("metrics.json", "config.yaml"):
        (tmp_path / "folder" / name).mkdir(parents=True)
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "config.yaml")  # reading it would wait for ever
    studies = read_studies([tmp_path])
    assert (len(studies.sections), studies.left_out, studies.unfinished) == (1, [], [])


def test_arrays_that_unpack_to_too_much_are_refused_before(tmp_path, monkeypatch):
    file = write_run(tmp_path / "run", settings()) / "predictions.npz"
    monkeypatch.setattr("musicssl.report.read.files._LARGEST_ARRAYS", 1000)
    with pytest.raises(InputError, match="its arrays have more than 1,000 bytes"):
        read_run(file.parent)
    with zipfile.ZipFile(file) as archive:
        assert sum(member.file_size for member in archive.infolist()) > 1000


def test_sections_that_occur_twice_are_written_twice_and_read(tmp_path):
    """What `yaml.safe_dump` would write as an alias."""
    shared = {"dropout": 0.5}
    config = settings() | {"encoder": shared, "method": {"encoder": shared}}
    run = write_run(tmp_path / "run", config)
    assert "&id" not in (run / "config.yaml").read_text()
    assert read_run(run).settings["method.encoder.dropout"] == "0.5"
