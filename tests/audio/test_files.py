from musicssl.audio.files import audio_files


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
