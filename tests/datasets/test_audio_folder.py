import logging

import numpy as np
import pytest
import soundfile

from musicssl.audio import inspection, instances
from musicssl.audio.decode import read_audio
from musicssl.audio.log_mel import LogMel
from musicssl.data.corpus import check_corpus
from musicssl.datasets.audio_folder import AudioFolder, main
from musicssl.errors import InputError

FEATURES = LogMel(sample_rate=8_000, num_mels=16, n_fft=512)
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
    assert message.startswith("3 of 6 files under")
    assert "d.ogg is truncated" in message
    assert "f.wav is empty (0 bytes)" in message
    assert "short.wav has no instance: a clip of 0.100 s is shorter" in message
    assert "dataset.unreadable=skip" in message


def test_unreadable_files_are_left_out_on_request_with_one_warning(make, root, caplog):
    break_files(root)
    corpus = check_corpus(make(unreadable="skip", classes=["cello"]).load())
    assert corpus.clip_ids.tolist() == ["a.wav", "b/c.flac", "e.mp3"]
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage().startswith("3 of 6 files under")


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
    with pytest.raises(InputError, match=r"2 of the 4 files .* not under .*: a\.wav, d\.ogg; add"):
        make().load()


def test_a_folder_without_audio_is_reported(make, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="has no audio"):
        make(root=empty, labels=None).load()


def test_the_command_shows_what_is_found(root, tmp_path, capsys):
    (root / "broken.wav").touch()
    arguments = ["--root", str(root), "--labels", "labels.csv", "--cache", str(tmp_path / "c")]
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
