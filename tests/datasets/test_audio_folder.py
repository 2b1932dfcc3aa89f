import logging
import shlex
from dataclasses import fields
from unicodedata import normalize

import numpy as np
import pytest
import soundfile

from musicssl.audio import inspection, instances
from musicssl.audio.decode import read_audio
from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.checks import check_corpus
from musicssl.datasets.audio_folder import AudioFolder, main
from musicssl.datasets.base.recordings import Recordings
from musicssl.errors import InputError

FEATURES = LogMel(sample_rate=8_000, num_mels=16, n_fft=512)
ALONE = ("--num-workers", "1")
TABLE = """path,labels,split,group
a.wav,cello,train,x
b/c.flac,flute,train,y
d.ogg,cello;flute,test,z
e.mp3,,train,
"""


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "audio"
    (folder / "b").mkdir(parents=True)
    clips = {"a.wav": (8_000, 2), "b/c.flac": (44_100, 3), "d.ogg": (48_000, 1)}
    clips |= {"e.mp3": (16_000, 1.2), "f.wav": (22_050, 2)}
    for name, (rate, seconds) in clips.items():
        soundfile.write(folder / name, rng.uniform(-0.5, 0.5, (round(rate * seconds), 2)), rate)
    (folder / "labels.csv").write_text(TABLE)
    return folder


@pytest.fixture
def make(root):
    def make_dataset(**settings):
        defaults = {"root": root, "labels": "labels.csv", "cache": root.parent / "cache"}
        return AudioFolder(**(defaults | {"features": FEATURES, "num_workers": 1} | settings))

    return make_dataset


def test_the_corpus_is_what_the_files_and_the_table_say(make):
    corpus = check_corpus(make().load())
    assert corpus.classes == ("cello", "flute")
    assert corpus.clip_ids.tolist() == ["a.wav", "b/c.flac", "d.ogg", "e.mp3", "f.wav"]
    assert corpus.y.tolist() == [[1, 0], [0, 1], [1, 1], [0, 0], [0, 0]]
    assert corpus.mask.all(axis=1).tolist() == [True, True, True, False, False]
    assert corpus.split.tolist() == ["train", "train", "test", "train", "train"]
    assert corpus.groups.tolist() == ["x", "y", "z", "e.mp3", "f.wav"]
    assert corpus.lengths.tolist() == [2, 3, 1, 1, 2]
    assert corpus.instance_seconds == 1.0


def test_instances_and_audio_are_those_of_the_file(make, root):
    dataset = make()
    corpus = dataset.load()
    for clip_id, length, x in zip(corpus.clip_ids, corpus.lengths, corpus.x, strict=True):
        samples, rate = dataset.audio(str(clip_id))
        assert rate == 8_000
        np.testing.assert_array_equal(samples, read_audio(root / clip_id, 8_000))
        np.testing.assert_array_equal(x[:length], FEATURES(samples))


def test_clips_of_one_length_need_no_lengths(make):
    assert make(max_seconds=1.0).load().lengths is None


def test_without_a_table_every_clip_is_unlabelled_and_trains(make):
    corpus = make(labels=None).load()
    assert corpus.classes == ()
    assert corpus.mask.shape == (5, 0)
    assert set(corpus.split) == {"train"}
    assert corpus.groups is None


def test_a_class_that_every_training_clip_has_is_refused_by_the_check(make, root):
    (root / "labels.csv").write_text(TABLE.replace("a.wav,cello", "a.wav,flute"))
    with pytest.raises(InputError, match="class 'flute' is present in every training clip"):
        check_corpus(make(classes=["flute"]).load())


def test_a_class_without_training_clips_is_refused_by_the_check(make, root):
    (root / "labels.csv").write_text(TABLE.replace("d.ogg,cello;flute", "d.ogg,oboe"))
    with pytest.raises(InputError, match="no training clip is of class 'oboe', but 1 other is; mo"):
        check_corpus(make(classes=["cello", "oboe"]).load())


def test_a_table_elsewhere_is_given_by_its_absolute_path(make, root):
    table = (root / "labels.csv").rename(root.parent / "mine.csv")
    assert make(labels=str(table)).load().classes == ("cello", "flute")


def test_a_fold_goes_before_the_split(make, root):
    (root / "labels.csv").write_text(
        "path,label,split,fold\na.wav,cello,train,1\nd.ogg,flute,train,2\n"
    )
    assert make(test_fold=2).load().split.tolist() == ["train", "train", "test", "train", "train"]


def test_a_test_set_is_drawn_where_nothing_names_one(make, root, caplog):
    (root / "labels.csv").write_text("path,label\na.wav,cello\nb/c.flac,cello\nd.ogg,flute\n")
    with caplog.at_level(logging.INFO, logger="musicssl"):
        corpus = make(test_fraction=0.4).load()
    held_out = corpus.clip_ids[corpus.indices("test")].tolist()
    assert len(held_out) == 1
    assert held_out[0] in {"a.wav", "b/c.flac", "d.ogg"}
    assert "drawn for testing with dataset.split_seed=0: 1" in caplog.text


def test_editing_the_table_or_the_policy_decodes_nothing_again(make, root, monkeypatch):
    make().prepare()
    monkeypatch.setattr(instances, "read_audio", None)
    (root / "labels.csv").write_text("path,label,split\nf.wav,oboe,train\n")
    assert make(unreadable="skip", classes=["oboe"]).load().mask[:, 0].tolist() == [False] * 4 + [
        True
    ]


def test_a_file_that_the_table_names_may_have_any_ending(make, root):
    (root / "a.wav").rename(root / "a.dat")
    (root / "labels.csv").write_text(TABLE.replace("a.wav", "a.dat"))
    assert make().load().clip_ids[0] == "a.dat"


def test_a_new_file_is_found(make, root):
    make().prepare()
    (root / "g.aiff").write_bytes((root / "a.wav").read_bytes())
    assert "g.aiff" in make().load().clip_ids


def break_files(root):
    (root / "d.ogg").write_bytes((root / "d.ogg").read_bytes()[:-3000])
    (root / "f.wav").write_bytes(b"")
    soundfile.write(root / "short.wav", np.ones(800), 8_000)


def test_unreadable_files_stop_the_run_and_are_all_listed(make, root):
    break_files(root)
    make().prepare()
    with pytest.raises(InputError) as caught:
        make().load()
    message = str(caught.value)
    assert message.startswith("2 of 6 files under")
    assert "d.ogg is truncated" in message
    assert "f.wav is empty (0 bytes)" in message
    assert "short.wav" not in message  # a tenth of a second is one instance
    assert "dataset.unreadable=skip" in message


def test_unreadable_files_are_left_out_on_request_with_one_warning(make, root, caplog):
    break_files(root)
    corpus = check_corpus(make(unreadable="skip", classes=["cello"]).load())
    assert corpus.clip_ids.tolist() == ["a.wav", "b/c.flac", "e.mp3", "short.wav"]
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage().startswith("2 of 6 files under")


def test_many_unreadable_files_are_counted(make, root):
    for index in range(30):
        (root / f"z{index:02d}.wav").touch()
    with pytest.raises(InputError, match=r"30 of 35 .* z09\.wav is empty \(0 bytes\) and 20 more"):
        make().load()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"root": None}, r"data\.root is not set"),
        ({"root": "/nowhere/at/all"}, "/nowhere/at/all is not a folder"),
        ({"labels": "lables.csv"}, r"no table of labels at .*lables\.csv"),
        ({"unreadable": "ignore"}, r"dataset\.unreadable must be error or skip, got 'ignore'"),
        ({"max_seconds": 0.0}, r"dataset\.max_seconds must be positive"),
        ({"num_workers": 0}, r"dataset\.num_workers must not be 0"),
        ({"test_fold": 1}, "needs a column 'fold'"),
        ({"classes": ["celo"]}, r"no file is labelled 'celo' \(did you mean 'cello'\?\)"),
    ],
)
def test_a_wrong_setting_is_reported_before_anything_is_decoded(
    make, settings, message, monkeypatch
):
    monkeypatch.setattr(instances, "read_audio", None)
    with pytest.raises(InputError, match=message):
        make(**settings).prepare()


def test_absent_files_are_counted_and_named(make, root):
    (root / "a.wav").unlink()
    (root / "d.ogg").unlink()
    with pytest.raises(
        InputError, match=r"2 of the 4 files .* not under .*: a\.wav, d\.ogg; correct"
    ):
        make().load()


def test_a_folder_without_audio_is_reported(make, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="has no audio"):
        make(root=empty, labels=None).load()


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


@pytest.mark.slow
def test_real_recordings_fsdkaggle10(shared_data, tmp_path):
    dataset = AudioFolder(
        root=shared_data / "fsdkaggle10",
        labels="labels.csv",
        features=LogMel(),
        cache=tmp_path,
        extra_columns=["duration", "freesound_id", "licence"],
        num_workers=1,
    )
    corpus = check_corpus(dataset.load())
    assert corpus.x.shape == (300, 10, 128)
    assert np.isfinite(corpus.x).all()
    assert len(corpus.classes) == 10
    assert corpus.y.sum(axis=0).tolist() == [30] * 10
    assert corpus.y.sum(axis=1).tolist() == [1] * 300
    assert corpus.mask.all()
    assert len(corpus.indices("train")) == 177
    assert len(corpus.indices("test")) == 123
    train, test = (set(corpus.groups[corpus.indices(split)]) for split in ("train", "test"))
    assert not train & test
    seconds = np.array([float(duration) for duration in _durations(shared_data, corpus.clip_ids)])
    np.testing.assert_array_equal(corpus.lengths, np.floor(seconds + 0.5))


def _durations(shared_data, clip_ids):
    """The column that the dataset leaves unread, in the order of the clips."""
    lines = (shared_data / "fsdkaggle10" / "labels.csv").read_text().splitlines()[1:]
    duration = {line.split(",")[0]: line.split(",")[5] for line in lines}
    return [duration[clip_id] for clip_id in clip_ids]


def test_a_name_that_is_not_utf8_is_listed_and_stops_nothing(make, root, caplog, capsys):
    (root / "f.wav").rename(root / "caf\udce9.wav")
    with pytest.raises(InputError, match=r"1 of 5 .* caf\\xe9\.wav has a name that is not UTF"):
        make().load()
    corpus = make(unreadable="skip").load()
    assert corpus.clip_ids.tolist() == ["a.wav", "b/c.flac", "d.ogg", "e.mp3"]
    arguments = ["--root", str(root), "--labels", "labels.csv", "--num-workers", "1"]
    assert main([*arguments, "--cache", str(root.parent / "cache")]) == 0
    shown = capsys.readouterr().out
    assert "files that cannot be used: 1\n  caf\\xe9.wav has a name that is not UTF-8" in shown


def test_a_name_that_would_control_a_terminal_is_shown_escaped(make, root, caplog, capsys):
    name = "\x1b[2Jf.wav"
    (root / "f.wav").unlink()
    (root / name).write_bytes(b"")
    with pytest.raises(InputError, match=r"\\x1b\[2Jf\.wav is empty") as caught:
        make().load()
    assert str(caught.value).isprintable()
    make(unreadable="skip").load()
    assert r"\x1b[2Jf.wav is empty" in caplog.text
    arguments = ["--root", str(root), "--labels", "labels.csv", "--num-workers", "1"]
    main([*arguments, "--cache", str(root.parent / "cache")])
    assert "\x1b" not in caplog.text + capsys.readouterr().out


def test_audio_that_needs_av_is_counted_if_av_is_not_installed(make, root, caplog, monkeypatch):
    monkeypatch.setattr(inspection, "has_av", lambda: False)
    (root / "n.m4a").write_bytes(b"AAC")
    make().load()
    expected = "1 other audio file not used: n.m4a (.m4a); to read them: pip install 'musicssl[av]'"
    assert expected in caplog.messages


SINGLE = TABLE.replace("cello;flute", "flute")


def test_a_corpus_of_one_class_each(make, root):
    (root / "labels.csv").write_text(SINGLE)
    corpus = check_corpus(make(task="multi_class").load())
    assert corpus.task == "multi_class"
    assert corpus.y.tolist() == [[1, 0], [0, 1], [0, 1], [0, 0], [0, 0]]
    assert corpus.mask.all(axis=1).tolist() == [True, True, True, False, False]
    assert make(task=None).load().task == make(task="multi_label").load().task == "multi_label"


def test_a_file_with_two_labels_is_not_of_one_class(make):
    with pytest.raises(InputError, match=r"task=multi_class .* but d\.ogg has 2: cello, flute"):
        make(task="multi_class").load()


def test_folders_are_classes(make, root):
    (root / "c").mkdir()
    (root / "d.ogg").rename(root / "c" / "d.ogg")
    (root / "b" / "deeper").mkdir()
    (root / "e.mp3").rename(root / "b" / "deeper" / "e.mp3")
    corpus = check_corpus(make(labels=None, classes_from="folders", test_fraction=0.3).load())
    assert corpus.task == "multi_class"
    assert corpus.classes == ("b", "c")
    assert corpus.clip_ids.tolist() == ["a.wav", "b/c.flac", "b/deeper/e.mp3", "c/d.ogg", "f.wav"]
    assert corpus.y.tolist() == [[0, 0], [1, 0], [1, 0], [0, 1], [0, 0]]
    assert corpus.mask.all(axis=1).tolist() == [False, True, True, True, False]
    assert len(corpus.indices("test")) == 1
    assert make(classes_from="folders", task="multi_label").load().task == "multi_label"


@pytest.mark.parametrize(
    "settings",
    [
        {"test_fold": 0},
        {"val_fold": 1},
        {"extra_columns": ["x"]},
        {"columns": {"path": "file", "label": None}},
        {"separator": ","},
    ],
)
def test_settings_of_a_table_and_folders_as_classes_exclude_each_other(make, settings):
    [name] = settings
    with pytest.raises(
        InputError, match=rf"dataset\.{name} is about a table, and dataset\.classes"
    ):
        make(classes_from="folders", **settings).load()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "multiclass"}, "task must be multi_label or multi_class, got 'multiclass'"),
        ({"classes_from": "folder"}, "classes_from must be table or folders, got 'folder'"),
        ({"val_fold": 1}, r"dataset\.val_fold=1 needs dataset\.test_fold"),
    ],
)
def test_an_unknown_choice_is_refused(make, settings, message):
    with pytest.raises(InputError, match=message):
        make(**settings).load()


def test_a_fold_may_validate(make, root):
    (root / "labels.csv").write_text(
        "path,label,fold\na.wav,cello,1\nb/c.flac,flute,\nd.ogg,flute,2\ne.mp3,cello,3\n"
    )
    corpus = make(test_fold=2, val_fold="3").load()
    assert corpus.split.tolist() == ["train", "train", "test", "val", "train"]


def test_a_table_of_another_program(make, root):
    """Ids for names, other names of columns, a list of pandas, an index, and folds."""
    (root / "mine.csv").write_text(
        ",track,tags,artist,bpm\n0,a,\"['cello', 'flute']\",x,90\n"
        "1,b/c,\"['flute']\",y,\n2,d,[],y,\n"
    )
    columns = {"path": "track", "labels": "tags", "group": "artist"}
    settings = {"labels": "mine.csv", "columns": columns, "extra_columns": ["bpm"]}
    corpus = make(**settings, test_fraction=0.5).load()
    assert corpus.y.tolist() == [[1, 1], [0, 1], [0, 0], [0, 0], [0, 0]]
    assert corpus.mask[:, 0].tolist() == [True, True, False, False, False]
    assert corpus.groups.tolist() == ["x", "y", "y", "e.mp3", "f.wav"]
    assert corpus.clip_ids.tolist() == ["a.wav", "b/c.flac", "d.ogg", "e.mp3", "f.wav"]


@pytest.mark.parametrize(("written", "there"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_in_another_unicode_form_is_that_of_the_file(make, root, written, there):
    (root / "f.wav").rename(root / normalize(there, "é.wav"))
    (root / "labels.csv").write_text(
        f"path,label,split\n{normalize(written, 'é.wav')},cello,train\n"
    )
    corpus = make().load()
    assert normalize(there, "é.wav") in corpus.clip_ids
    assert corpus.mask.any(axis=1).sum() == 1
    assert len(corpus.clip_ids) == 5


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


def test_real_folders_esc10(shared_data, tmp_path):
    """Oracle: the column label of its table."""
    root = shared_data / "esc10"
    own = {"features": Waveform(16_000), "cache": tmp_path, "num_workers": 1}
    by_folders = AudioFolder(root=root / "audio", classes_from="folders", **own)
    by_table = AudioFolder(root=root, labels="labels.csv", task="multi_class", **own)
    found, expected = by_folders.annotations(), by_table.annotations()
    assert found.classes == expected.classes
    assert [f"audio/{path}" for path in found.paths] == list(expected.paths)
    np.testing.assert_array_equal(found.y, expected.y)
    assert found.mask.all()
    assert expected.mask.all()
    assert found.task == expected.task == "multi_class"
    with pytest.raises(InputError, match=rf"only 'audio'; .* such as {root}/audio\."):
        AudioFolder(root=root, classes_from="folders", **own).annotations()
