import logging
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
from musicssl.errors import InputError
from tests.support.labelled_folder import FEATURES, TABLE, maker, write_folder


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path)


@pytest.fixture
def make(root):
    return maker(root)


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
