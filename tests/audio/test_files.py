import os

from musicssl.audio import inspection
from musicssl.audio.files import audio_files, file_identities, other_audio_files


def test_audio_is_found_by_its_ending_below_the_root(tmp_path):
    for name in ["a.wav", "b.FLAC", "x/y/c.Mp3", "x/d.opus", "e.txt", "f", "labels.csv"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in [".h.wav", ".git/i.wav", "x/._c.mp3"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert audio_files(tmp_path) == {"a.wav", "b.FLAC", "x/y/c.Mp3", "x/d.opus"}


def test_an_empty_folder_holds_nothing(tmp_path):
    assert audio_files(tmp_path) == set()


def test_an_identity_changes_with_size_and_time_but_not_with_the_place(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.wav").write_bytes(b"1234")
    os.utime(root / "a.wav", ns=(5, 7))
    (root / "lost.wav").symlink_to(root / "nowhere")
    names = ["lost.wav", "a.wav"]
    assert file_identities(root, names) == [["lost.wav", None, None], ["a.wav", 4, 7]]
    moved = root.rename(tmp_path / "moved")
    assert file_identities(moved, ["a.wav"]) == [["a.wav", 4, 7]]


def test_files_that_need_av_are_audio_if_it_is_installed_and_others_if_not(tmp_path, monkeypatch):
    for name in ["a.wav", "b.M4A", "x/c.wma", "d.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(inspection, "has_av", lambda: False)
    assert audio_files(tmp_path) == {"a.wav"}
    assert other_audio_files(tmp_path) == {"b.M4A", "x/c.wma"}
    monkeypatch.setattr(inspection, "has_av", lambda: True)
    assert audio_files(tmp_path) == {"a.wav", "b.M4A", "x/c.wma"}
    assert other_audio_files(tmp_path) == set()
