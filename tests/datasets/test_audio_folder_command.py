import shlex
from dataclasses import fields

import pytest

from musicssl.audio.waveform import Waveform
from musicssl.datasets.audio_folder import AudioFolder, main
from musicssl.datasets.base.recordings import Recordings
from tests.support.labelled_folder import ALONE, maker, write_folder


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path)


@pytest.fixture
def make(root):
    return maker(root)


def test_the_command_shows_what_is_found(root, tmp_path, capsys):
    (root / "broken.wav").touch()
    arguments = [
        "--root",
        str(root),
        "--labels",
        "labels.csv",
        "--cache",
        str(tmp_path / "c"),
        *ALONE,
    ]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "3 labelled clips, 2 unlabelled" in shown
    assert "5 groups, 0 of them in more than one split" in shown
    assert "broken.wav is empty (0 bytes)" in shown


def test_the_command_ends_in_one_sentence_and_status_2(root, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--root", str(root), "--labels", "absent.csv"])
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: there is no table of labels at")


def test_the_command_shows_names_letter_by_letter(root, tmp_path, capsys):
    names = ["[vocals] lead", "drums [acoustic]", "[/x]", "[bold]tone[/bold]"]
    rows = [f"a.wav,{';'.join(names)},train", "b/c.flac,flute,train", "d.ogg,flute,test"]
    (root / "labels.csv").write_text("\n".join(["path,labels,split", *rows]))
    assert (
        main(
            ["--root", str(root), "--labels", "labels.csv", "--cache", str(tmp_path / "c"), *ALONE]
        )
        == 0
    )
    shown = capsys.readouterr().out
    for name in names:
        assert f" {name} " in shown


def test_the_command_shows_a_folder_without_labels_and_says_what_it_is_for(root, tmp_path, capsys):
    assert main(["--root", str(root), "--cache", str(tmp_path / "c"), *ALONE]) == 0
    shown = capsys.readouterr().out
    assert "0 labelled clips, 5 unlabelled" in shown
    assert f"unlabelled=audio_folder unlabelled.root={root} unlabelled.labels=null" in shown


OTHER_VALUES = {
    "labels": "my labels.csv",
    "extra_columns": ["fsID", "start, end", "[db]"],
    "columns": {"path": "file name", "label": None, "group": "artist"},
    "separator": ",",
    "classes_from": "folders",
    "task": "multi_class",
    "test_fold": "2",
    "val_fold": "3",
    "test_fraction": 0.3,
    "split_seed": 1,
    "classes": ["cello", "7"],
}


def test_there_is_another_value_for_each_setting():
    common = {option.name for option in fields(Recordings)}
    assert OTHER_VALUES.keys() == {option.name for option in fields(AudioFolder)} - common


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_the_advised_command_makes_the_store_of_the_same_corpus(make, root, capsys, name):
    """A table with all that the settings may ask for; each setting by itself."""
    header = "path,file name,label,artist,fold"
    rows = ["a.wav,a.wav,cello,x,1", "b/c.flac,b/c.flac,7,y,2", "d.ogg,d.ogg,cello,z,3"]
    rows += ["e.mp3,e.mp3,7,u,1", "f.wav,f.wav,flute,v,1"]
    if name == "extra_columns":
        header += ',fsID,"start, end",[db]'
        rows = [f"{row},1,2,3" for row in rows]
    if name != "columns":
        header = header.replace("file name", "")
    if name == "separator":
        header = header.replace("label", "labels")
    settings = {"extra_columns": ["artist"], name: OTHER_VALUES[name]}
    if name == "extra_columns":
        settings["extra_columns"] = [*OTHER_VALUES[name], "artist"]
    if name == "columns":
        settings["extra_columns"] = ["path"]
    if name == "val_fold":
        settings["test_fold"] = 2
    if name == "classes_from":
        del settings["extra_columns"]
        (root / "winds").mkdir()
        for file, folder in {"a.wav": "b", "d.ogg": "winds", "e.mp3": "winds"}.items():
            (root / file).rename(root / folder / file)
    table = root / OTHER_VALUES["labels"] if name == "labels" else root / "labels.csv"
    table.write_text("\n".join([header, *rows]) + "\n")
    corpus = make(features=Waveform(8_000), **settings)
    command = corpus._prepare_command()
    assert "[]" not in command
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "musicssl.datasets.audio_folder"]
    assert main([*words[3:], "--num-workers", "1"]) == 0
    assert "Clip store: 5 clips" in capsys.readouterr().out
    stores = list((root.parent / "cache").glob("audio_folder-8000-*/samples.i16"))
    assert [corpus.load().sound.folder] == [store.parent for store in stores]
