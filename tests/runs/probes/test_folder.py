"""Oracle: which files are there before and after."""

import json

from musicssl.runs.probes.folder import ProbeFolder


def test_a_folder_holds_the_results_of_one_fingerprint(tmp_path):
    folder = ProbeFolder(tmp_path / "probe")
    assert not folder.holds("abc")
    folder.claim({"a": 1})
    assert not folder.is_complete
    folder.metrics.write_text(json.dumps({"made_of": "abc"}))
    assert folder.holds("abc")
    assert not folder.holds("another")


def test_a_claim_removes_what_a_probe_left_and_nothing_else(tmp_path):
    folder = ProbeFolder(tmp_path)
    folder.figures.mkdir()
    theirs = [folder.metrics, folder.fits, folder.predictions, folder.robustness]
    for file in (*theirs, folder.figures / "a.png", tmp_path / "notes.txt"):
        file.touch()
    folder.claim({"a": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "notes.txt"]
