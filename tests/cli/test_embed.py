"""musicssl embed as its users meet it."""

import re
import shutil

import numpy as np
import pytest
import soundfile
import torch

import musicssl
from musicssl.audio.log_mel import LogMel
from musicssl.batch import Batch
from musicssl.cli.embed import main as embed
from musicssl.datasets.audio_folder import AudioFolder
from musicssl.datasets.embeddings import EmbeddingsFile
from musicssl.datasets.formats.embeddings_file import read_embeddings
from tests.support.tone_folder import RATE


@pytest.fixture
def run(of_instances):
    return of_instances


@pytest.fixture(scope="module")
def album(recordings, tmp_path_factory):
    """Three recordings of different lengths, and two files that are none."""
    folder = tmp_path_factory.mktemp("place") / "album"
    (folder / "b").mkdir(parents=True)
    for source, target in (("00", "one"), ("01", "b/two"), ("02", "three")):
        shutil.copy(recordings / f"{source}.wav", folder / f"{target}.wav")
    sound, _ = soundfile.read(folder / "three.wav", dtype="float32")
    soundfile.write(folder / "three.wav", sound[: 2 * RATE], RATE, "FLOAT")
    (folder / "empty.wav").touch()
    (folder / "cut.wav").write_bytes((recordings / "03.wav").read_bytes()[:20_000])
    return folder


def written(path, words, capsys, status=0):
    """Run the command; return what it wrote, printed, and said on standard error."""
    try:
        embed([*map(str, words), "--out", str(path)])
        code = 0
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert code == status, err
    return (read_embeddings(path) if path.exists() else None), out, err


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_instances_are_those_of_the_model_and_other_files_are_listed(
    run, album, tmp_path, capsys, suffix
):
    saved, out, err = written(
        tmp_path / "new" / f"h{suffix}", [run.best, album, "--time"], capsys, status=1
    )
    assert saved.clip_ids.tolist() == ["b/two.wav", "one.wav", "three.wav"]
    assert "Embeddings of 3 clips, up to 3 instances: " in out
    assert "2 of 5 files cannot be used:" in err
    assert "empty.wav is empty" in err
    assert "cut.wav is truncated" in err
    model = musicssl.load(run.best)
    for row, name in enumerate(saved.clip_ids):
        h, times = model.embed(album / name)
        length = saved.lengths[row]
        np.testing.assert_array_equal(saved.embeddings[row, :length], h)
        np.testing.assert_array_equal(saved.times[row, :length], times)
    assert saved.lengths.tolist() == [3, 3, 2]


@pytest.mark.parametrize("kind", ["run", pytest.param("of_sound", marks=pytest.mark.slow)])
def test_clips_are_means_over_time_and_what_probes_use(request, kind, recordings, tmp_path, capsys):
    """Oracles: the mean of the valid instances, and the network's own embedding of a clip."""
    of = request.getfixturevalue(kind).best
    clips, _, _ = written(tmp_path / "h.npz", [of, recordings], capsys)
    saved, _, _ = written(tmp_path / "t.npz", [of, recordings, "--time"], capsys)
    means = saved.embeddings.mean(axis=1, dtype=np.float64)
    np.testing.assert_allclose(clips.embeddings, means, rtol=1e-6, atol=1e-7)
    model = musicssl.load(of)
    sound, _ = soundfile.read(recordings / "05.wav", dtype="float32")
    x = sound if model.of_sound else model.features(sound)
    none = torch.zeros(1, 0)
    batch = Batch(torch.from_numpy(x)[None], none, none.bool())
    expected = model.network.clip_embeddings(batch)[0]
    row = clips.clip_ids.tolist().index("05.wav")
    np.testing.assert_allclose(clips.embeddings[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("summary", "second"), [("mean_max", np.max), ("mean_std", np.std)])
def test_a_summary_has_a_second_statistic_of_the_frames_of_each_recording(
    run, album, tmp_path, capsys, summary, second
):
    words = [run.best, album / "one.wav", album / "three.wav"]
    saved, out, _ = written(tmp_path / "h.npz", [*words, "--summary", summary], capsys)
    frames, _, _ = written(tmp_path / "t.npz", [*words, "--time"], capsys)
    assert "Embeddings of 2 clips: " in out
    for row, length in enumerate(frames.lengths):
        valid = frames.embeddings[row, :length].astype(np.float64)
        expected = np.concatenate([valid.mean(axis=0), second(valid, axis=0)])
        np.testing.assert_allclose(saved.embeddings[row], expected, rtol=1e-6, atol=1e-7)


def test_layers_are_summarised_each_by_itself(of_sound, album, tmp_path, capsys):
    """Layers of 4, 8 and 16 features: of each its means, then its maxima, then zeros."""
    words = [of_sound.best, album / "one.wav", "--layers"]
    saved, _, _ = written(tmp_path / "h.parquet", [*words, "--summary", "mean_max"], capsys)
    frames, _, _ = written(tmp_path / "t.parquet", [*words, "--time"], capsys)
    assert saved.widths.tolist() == [2 * width for width in frames.widths]
    for layer, width in enumerate(frames.widths):
        valid = frames.embeddings[0, layer, :, :width].astype(np.float64)
        expected = np.concatenate([valid.mean(axis=0), valid.max(axis=0)])
        found = saved.embeddings[0, layer]
        np.testing.assert_allclose(found[: 2 * width], expected, rtol=1e-5, atol=1e-6)
        assert not found[2 * width :].any()


@pytest.mark.slow
def test_layers_have_their_names_and_widths_and_end_with_the_embedding(
    of_sound, album, tmp_path, capsys
):
    words = [of_sound.best, album / "one.wav", album / "three.wav"]
    saved, out, _ = written(tmp_path / "l.npz", [*words, "--time", "--layers"], capsys)
    plain, _, _ = written(tmp_path / "t.npz", [*words, "--time"], capsys)
    assert saved.layers.tolist() == ["blocks.0", "blocks.1", "blocks.2", "gru", "output"]
    assert saved.widths.tolist() == [4, 8, 16, 8, 8]
    assert f"2 clips, 5 layers, up to {max(saved.lengths)} instances: " in out
    np.testing.assert_array_equal(saved.embeddings[:, -1, :, :8], plain.embeddings)
    np.testing.assert_array_equal(saved.times, plain.times)
    assert saved.embeddings[:, 0, :, 4:].any() == 0
    clip, _, _ = written(tmp_path / "c.parquet", [*words, "--layer", "gru"], capsys)
    assert clip.layers.tolist() == ["gru", "output"]
    valid = saved.embeddings[1, 3, : saved.lengths[1], :8]
    np.testing.assert_allclose(clip.embeddings[1, 0], valid.mean(0), rtol=1e-5, atol=1e-6)


def test_a_written_file_has_the_clips_of_the_folder_as_a_corpus(run, recordings, tmp_path, capsys):
    written(tmp_path / "t.npz", [run.best, recordings, "--time"], capsys)
    labels = AudioFolder(
        recordings, LogMel(sample_rate=RATE), cache=tmp_path / "cache", num_workers=1
    )
    labels.prepare()
    corpus = EmbeddingsFile(tmp_path / "t.npz", labels).load()
    assert corpus.clip_ids.tolist() == labels.load().clip_ids.tolist()
    np.testing.assert_array_equal(corpus.x, read_embeddings(tmp_path / "t.npz").embeddings)


def test_same_names_in_two_folders_get_the_names_of_the_folders(run, album, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(album / "one.wav", other / "one.wav")
    words = [run.best, other, album / "one.wav", album / "b"]
    saved, _, _ = written(tmp_path / "h.npz", words, capsys)
    assert saved.clip_ids.tolist() == ["other/one.wav", "one.wav", "b/two.wav"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "h.csv"], r".npz or .parquet files, not in 'h\.csv'"),
        (["--out", "h.npz", "--layer", "blocks.7"], "the encoder has no layer 'blocks.7'; it has"),
        (["--out", "h.npz", "--time", "--summary", "mean_max"], "there is no --summary; leave one"),
        (["--out", "/dev/null/h.npz"], "--out: /dev/null is a file; choose another folder"),
    ],
)
def test_mistakes_are_one_sentence(run, album, monkeypatch, tmp_path, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        embed([str(run.best), str(album), *words])
    assert stop.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
    assert not list(tmp_path.iterdir())


def test_no_usable_file_leaves_no_embeddings(run, album, tmp_path, capsys):
    saved, _, err = written(tmp_path / "h.npz", [run.best, album / "empty.wav"], capsys, 1)
    assert saved is None
    assert "1 of 1 files cannot be used:" in err
    assert not list(tmp_path.iterdir())
