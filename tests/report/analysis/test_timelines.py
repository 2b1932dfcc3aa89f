"""Oracle: runs whose scores we choose, with pictures and sound that we put into their folders."""

import base64
import io

import numpy as np
import soundfile
from matplotlib.figure import Figure

from musicssl.figures.style import save_png
from musicssl.report.__main__ import main
from musicssl.runs.folder import RunFolder
from tests.support.report_page import Page
from tests.support.studies import read_study
from tests.support.synthetic_runs import write_sweep

SAMPLES = np.linspace(-0.5, 0.5, 1600)


def picture(run, *clips, sound=True):
    folder = RunFolder(run.folder)
    for clip in clips:
        save_png(folder.figures / f"timeline_{clip}.png", Figure((1, 1)))
        if sound:
            folder.sounds.mkdir(exist_ok=True)
            soundfile.write(folder.sounds / f"timeline_{clip}.flac", SAMPLES, 16_000)


def runs_by(study):
    return {(m.name, run.p_s, run.seed): run for m in study.methods for run in m.runs}


def test_clips_are_those_of_the_best_method_with_the_most_labels(tmp_path):
    root = write_sweep(tmp_path / "runs", {"att": 0.4, "best": 1.1})
    runs = runs_by(read_study([root]))
    assert read_study([root]).timelines is None
    picture(runs["best", 0.1, 0], "few labels")
    assert [c.clip for c in read_study([root]).timelines.clips] == ["few labels"]
    picture(runs["att", 0.5, 0], "worse")
    assert [c.clip for c in read_study([root]).timelines.clips] == ["worse"]
    picture(runs["best", 0.5, 2], "later seed")
    picture(runs["best", 0.5, 1], "b", "a", sound=False)
    found = read_study([root]).timelines
    assert (found.method, found.run.p_s, found.run.seed) == ("best", 0.5, 1)
    assert [(clip.clip, clip.sound) for clip in found.clips] == [("a", None), ("b", None)]


def test_the_page_plays_the_sound_that_a_run_kept(tmp_path):
    root = write_sweep(tmp_path / "runs", {"att": 0.4})
    picture(runs_by(read_study([root]))["att", 0.5, 0], "song-1")
    main([str(root), "--out", str(tmp_path / "out")])
    page = Page(tmp_path / "out" / "index.html")
    assert "judged by att" in page.text
    [address] = [one for one in page.addresses if one.startswith("data:audio/flac;base64,")]
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert rate == 16_000
    np.testing.assert_allclose(samples, SAMPLES, atol=2**-15)
