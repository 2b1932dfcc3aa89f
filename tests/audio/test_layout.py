import pytest

from musicssl.audio.layout import file_ending, recordings_folder
from musicssl.errors import InputError

USUAL = ("audio", "low", "")


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    return folder


def find(corpus, given=None):
    return recordings_folder(corpus, given, USUAL, ("00", "01"))


@pytest.mark.parametrize("place", ["corpus/audio", "corpus/low", "corpus", "audio", "low", "."])
def test_recordings_are_found_in_the_folder_or_beside_it(corpus, tmp_path, place):
    (tmp_path / place / "01").mkdir(parents=True)
    assert find(corpus) == tmp_path / place


def test_the_likeliest_folder_with_recordings_is_used(corpus, tmp_path):
    (corpus / "audio").mkdir()  # holds none
    (corpus / "low" / "00").mkdir(parents=True)
    (corpus / "01").mkdir()
    (tmp_path / "audio" / "00").mkdir(parents=True)
    assert find(corpus) == corpus / "low"


def test_without_recordings_they_are_expected_in_the_folder(corpus):
    (corpus / "audio" / "02").mkdir(parents=True)
    assert find(corpus) == corpus


def test_the_setting_of_the_user_is_used(corpus, tmp_path):
    (corpus / "audio" / "00").mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    assert find(corpus, tmp_path / "disk") == tmp_path / "disk"
    assert find(corpus, "audio/00") == corpus / "audio" / "00"
    with pytest.raises(InputError, match=r"absent is not a folder; set dataset\.audio_root"):
        find(corpus, "absent")


def test_the_ending_is_that_of_the_first_recording_that_is_there(tmp_path):
    (tmp_path / "01").mkdir()
    (tmp_path / "01" / "b.low.mp3").touch()
    (tmp_path / "01" / "c.wav").touch()
    usual = (".mp3", ".wav", ".low.mp3")
    assert file_ending(tmp_path, ["00/a", "01/b", "01/c"], None, usual) == ".low.mp3"
    assert file_ending(tmp_path, ["00/a", "01/c", "01/b"], None, usual) == ".wav"
    assert file_ending(tmp_path, ["00/a", "01/d"], None, usual) == ".mp3"
    assert file_ending(tmp_path, ["01/b"], ".ogg", usual) == ".ogg"


def test_an_ending_without_a_dot_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"dataset\.ending must start with a dot.* got 'ogg'"):
        file_ending(tmp_path, [], "ogg", (".mp3",))
