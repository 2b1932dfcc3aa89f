"""musicssl predict as its users meet it."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile

import musicssl
from musicssl.cli.predict import main as predict
from musicssl.inference.events import find_events
from musicssl.inference.label_files import read_audacity
from tests.support.tone_folder import CLASSES, INSTANCES, RATE, SOUND, train_on


@pytest.fixture
def run(of_instances):
    return of_instances


@pytest.fixture(scope="module")
def album(recordings, tmp_path_factory):
    """Three recordings, one of them in a subfolder, and four files that are none."""
    folder = tmp_path_factory.mktemp("place") / "album"
    (folder / "side b").mkdir(parents=True)
    for source, target in (("00", "one"), ("01", "side b/two"), ("02", "three")):
        shutil.copy(recordings / f"{source}.wav", folder / f"{target}.wav")
    (folder / "empty.wav").touch()
    (folder / "cut.wav").write_bytes((recordings / "03.wav").read_bytes()[:20_000])
    soundfile.write(folder / "nan.wav", np.full(RATE, np.nan, np.float32), RATE, "FLOAT")
    soundfile.write(folder / "none.wav", np.zeros(0, np.float32), RATE, "FLOAT")
    return folder


def said(words, capsys, status=0):
    """Run the command; return what it prints and what it says on standard error."""
    try:
        predict([str(word) for word in words])
        code = 0
    except SystemExit as stop:
        code = stop.code
    printed = capsys.readouterr()
    assert code == status, printed.err
    return printed.out, printed.err


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_test_clips_get_the_scores_of_the_run(run, recordings, tmp_path, capsys):
    """Oracle: predictions.npz."""
    said([run.best, recordings, "--out", tmp_path / "t.csv"], capsys)
    found = {row["path"]: row for row in rows_of(tmp_path / "t.csv")}
    assert len(found) == 30
    with np.load(run.path / "predictions.npz") as test:
        for clip, scores in zip(test["clip_ids"], test["scores"], strict=True):
            row = found[str(recordings / clip)]
            assert [float(row[name]) for name in CLASSES] == pytest.approx(scores, abs=2e-6)


def test_files_that_cannot_be_used_are_listed_and_the_rest_is_done(run, album, tmp_path, capsys):
    out, err = said([run.path, album, "--out", tmp_path / "t.csv"], capsys, status=1)
    names = [row["path"].removeprefix(f"{album}/") for row in rows_of(tmp_path / "t.csv")]
    assert names == ["one.wav", "side b/two.wav", "three.wav"]
    assert "4 of 7 files cannot be used:" in err
    for name in (
        "empty.wav is empty",
        "cut.wav is truncated",
        "nan.wav holds samples that are NaN",
    ):
        assert name in err
    assert len(out.splitlines()) == 4


def test_labels_by_rank_and_by_threshold(run, recordings, tmp_path, capsys):
    kept = musicssl.load(run.best)
    clip = recordings / "00.wav"
    scores = dict(zip(CLASSES, kept.predict(clip).scores, strict=True))
    thresholds = dict(zip(CLASSES, kept.decisions.thresholds, strict=True))
    ranked = sorted(CLASSES, key=lambda name: -scores[name])
    expected = {
        ("--top", "2"): ranked[:2],
        ("--threshold", "0.5"): [name for name in CLASSES if scores[name] >= 0.5],
        ("--threshold", "val"): [name for name in CLASSES if scores[name] >= thresholds[name]],
        ("--top", "1", "--threshold", "0"): ranked[:1],
    }
    for words, names in expected.items():
        out, _ = said([run.best, clip, *words, "--out", tmp_path / "t.json"], capsys)
        [row] = json.loads((tmp_path / "t.json").read_text())
        assert row["labels"] == names
        shown = ", ".join(f"{name} {scores[name]:.2f}" for name in names) or "none"
        assert f"00.wav: {shown}\n" in out


def test_calibrated_scores_are_those_of_the_temperatures(run, recordings, tmp_path, capsys):
    model = musicssl.load(run.best)
    found = model.predict(recordings / "00.wav")
    said([run.best, recordings / "00.wav", "--calibrated", "--out", tmp_path / "t.csv"], capsys)
    [row] = rows_of(tmp_path / "t.csv")
    logits = np.log(found.scores / (1 - found.scores))
    expected = 1 / (1 + np.exp(-logits / model.decisions.temperatures))
    assert [float(row[name]) for name in CLASSES] == pytest.approx(expected, abs=1e-5)


def test_timelines_events_and_pictures(run, album, tmp_path, capsys):
    words = ("--timeline", "--labels", "audacity", "--labels", "jams", "--picture")
    files = [album / "one.wav", album / "side b"]
    target = tmp_path / "files"
    said([run.best, *files, *words, "--folder", target, "--out", tmp_path / "t.csv"], capsys)
    model = musicssl.load(run.best)
    found = model.predict(album / "one.wav")
    rows = [row for row in rows_of(tmp_path / "t.csv") if row["path"].endswith("one.wav")]
    assert [float(row["start"]) for row in rows] == pytest.approx(found.times[:, 0])
    assert [float(row["low"]) for row in rows] == pytest.approx(found.timeline[:, 1], abs=2e-6)
    events = find_events(found, model.decisions.thresholds)
    labels = read_audacity(target / "one.wav.txt")
    assert labels == [(pytest.approx(e.start), pytest.approx(e.end), e.name) for e in events]
    for name in ("one.wav.png", "side b/two.wav.png", "one.wav.jams", "side b/two.wav.txt"):
        assert (target / name).is_file()


def test_files_of_the_same_name_have_files_of_their_own(run, album, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(album / "one.wav", other / "one.wav")
    words = ("--labels", "audacity", "--folder", tmp_path / "files")
    said([run.best, album / "one.wav", other / "one.wav", *words], capsys)
    assert len(list((tmp_path / "files").rglob("one.wav.txt"))) == 2


def test_an_ensemble_is_the_mean(run, recordings, tmp_path, capsys):
    """Oracle: the scores of each."""
    other = train_on(recordings, tmp_path / "other", *SOUND)
    clip, out = recordings / "00.wav", tmp_path / "t.csv"
    said([run.best, clip, "--ensemble", other.best, "--out", out], capsys)
    [row] = rows_of(out)
    both = [musicssl.load(r.best).predict(clip).scores for r in (run, other)]
    assert [float(row[name]) for name in CLASSES] == pytest.approx(np.mean(both, 0), abs=2e-6)
    words = [run.best, clip, "--ensemble", other.best, "--timeline"]
    assert "divide time differently" in said(words, capsys, status=2)[1]


def test_other_classes_cannot_be_averaged(run, recordings, tmp_path, capsys):
    other = train_on(recordings, tmp_path / "two", *INSTANCES, "dataset.classes=[low,high]")
    words = [run.best, recordings / "00.wav", "--ensemble", other.best]
    assert "was trained for other classes than" in said(words, capsys, status=2)[1]


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["nowhere.wav"], "there is no file or folder nowhere.wav"),
        (["EMPTY"], "holds no audio files"),
        (["CLIP", "--out", "t.xlsx"], "--out writes .csv or .json"),
        (["CLIP", "--top", "0"], "--top is 1 or more"),
        (["CLIP", "--threshold", "high"], "--threshold is val or a number"),
        (["CLIP", "--device", "tpu"], "there is no device tpu"),
    ],
)
def test_a_mistake_is_one_sentence(run, recordings, tmp_path, words, cause, capsys):
    (tmp_path / "nothing").mkdir()
    places = {"CLIP": recordings / "00.wav", "EMPTY": tmp_path / "nothing"}
    err = said([run.best, *(places.get(word, word) for word in words)], capsys, status=2)[1]
    assert err.startswith("error: ")
    assert cause in err
    assert len(err.splitlines()) == 1
