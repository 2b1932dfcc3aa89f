import numpy as np
import pytest
import soundfile
from rich.console import Console
from rich.table import Table

from musicssl.data.corpus import Corpus
from musicssl.datasets.base.command import corpus_command, corpus_table, print_whole
from tests.support.bird_calls import RATE, BirdCalls, write_bird_calls


@pytest.fixture
def root(tmp_path):
    return write_bird_calls(tmp_path / "birds")


def run(root, *arguments, **settings):
    common = ["--root", str(root), "--cache", str(root.parent / "cache"), "--num-workers", "1"]
    return corpus_command(BirdCalls, [*common, *arguments], **settings)


def test_it_counts_what_is_there_and_what_is_not(root, capsys):
    (root / "d.ogg").unlink()
    (root / "e.wav").write_text("no sound")
    soundfile.write(root / "f.wav", np.zeros(100), RATE)
    soundfile.write(root / "stray.wav", np.zeros(100), RATE)
    assert run(root) == 0
    said = capsys.readouterr().out
    assert "2 clips: 2 train" in said
    assert "left out because they are broken or wrong: 1\n  f.wav holds a cough" in said
    assert "annotated but missing: 1\n  d.ogg is missing" in said
    assert "cannot be decoded: 1\n  e.wav is not audio" in said
    assert "other audio files, not used: 1" in said


def test_a_store_is_prepared_once(root, capsys):
    for _ in range(2):
        assert run(root, "--prepare", "--sample-rate", str(RATE)) == 0
    stores = list((root.parent / "cache").glob("bird_calls-8000-*/samples.i16"))
    [samples] = stores
    assert samples.stat().st_size == 2 * 8 * RATE
    said = capsys.readouterr().out
    assert said.count("Clip store: 4 clips, 0.00 h at 8000 Hz, 0.00 GB, checksums right") == 2


def test_a_damaged_store_is_made_again_when_it_is_prepared_again(root, capsys, caplog):
    run(root, "--prepare", "--sample-rate", str(RATE))
    [samples] = (root.parent / "cache").glob("bird_calls-8000-*/samples.i16")
    whole = samples.read_bytes()
    samples.write_bytes(whole[:5] + bytes([whole[5] ^ 1]) + whole[6:])
    run(root, "--prepare", "--sample-rate", str(RATE))
    assert samples.read_bytes() == whole
    assert f"the clip store {samples.parent} is damaged: 1 of 4 clips" in caplog.text
    assert "It is made again now." in caplog.text
    assert "checksums right" in capsys.readouterr().out


def test_each_setting_of_the_corpus_is_an_option(root, capsys):
    assert run(root, "--bird", "owl", "--repeats", "3") == 0
    assert "owl" in capsys.readouterr().out


def test_an_invalid_rate_is_refused(root, capsys):
    with pytest.raises(SystemExit) as exit_info:
        run(root, "--sample-rate", "0")
    assert exit_info.value.code == 2
    assert "--sample-rate must be" in capsys.readouterr().err


def test_mistakes_end_in_one_sentence_and_status_2(root, capsys):
    with pytest.raises(SystemExit) as exit_info:
        run(root.parent / "nowhere")
    assert exit_info.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "is not a folder" in line


def test_a_download_fills_the_root_before_it_is_looked_at(root, capsys):
    new = root.parent / "new"
    assert run(new, "--download", download=write_bird_calls_below) == 0
    assert "4 clips: 2 train, 1 val, 1 test" in capsys.readouterr().out


def test_there_is_no_download_where_there_is_none(root, capsys):
    with pytest.raises(SystemExit):
        run(root, "--download")
    assert "--download" in capsys.readouterr().err


def write_bird_calls_below(root):
    write_bird_calls(root / "birds")


def test_a_table_is_printed_as_wide_as_it_is(capsys):
    console = Console(width=40)
    table = Table(*(f"column {i}" for i in range(20)))
    table.add_row(*(f"{i}.123456" for i in range(20)))
    print_whole(console, table)
    said = capsys.readouterr().out
    assert all(f"{i}.123456" in said for i in range(20))


def test_counts_are_of_observed_cells_and_empty_splits_are_left_out() -> None:
    corpus = Corpus(
        name="toy",
        classes=("piano", "voice"),
        x=np.zeros((4, 1, 1), dtype=np.float32),
        y=np.array([[1, 1], [0, 1], [0.5, 0], [1, 1]], dtype=np.float32),
        mask=np.array([[True, False], [True, True], [True, False], [False, True]]),
        split=np.array(["train", "train", "train", "test"]),
        clip_ids=np.array(list("abcd")),
    )
    table = corpus_table(corpus)
    columns = {str(column.header): list(map(str, column.cells)) for column in table.columns}
    assert columns == {
        "class": ["piano", "voice", "all"],
        "observed\ntrain 3": ["3", "1", "4"],
        "present\ntrain 3": ["2", "1", "3"],
        "observed\ntest 1": ["0", "1", "1"],
        "present\ntest 1": ["0", "1", "1"],
    }


def test_values_of_a_regression_have_a_range_and_a_mean() -> None:
    corpus = Corpus(
        name="toy",
        classes=("arousal", "valence"),
        x=np.zeros((4, 1, 1), dtype=np.float32),
        y=np.array([[-0.5, 9], [0.25, 9], [1, 0.125], [2, 9]], dtype=np.float32),
        mask=np.array([[True, False], [True, False], [True, True], [True, False]]),
        split=np.array(["train", "train", "train", "test"]),
        clip_ids=np.array(list("abcd")),
        task="regression",
    )
    columns = {
        str(column.header): list(map(str, column.cells)) for column in corpus_table(corpus).columns
    }
    assert columns == {
        "class": ["arousal", "valence", "all"],
        "observed\ntrain 3": ["3", "1", "4"],
        "least\ntrain 3": ["-0.5", "0.125", ""],
        "mean\ntrain 3": ["0.25", "0.125", ""],
        "greatest\ntrain 3": ["1", "0.125", ""],
        "observed\ntest 1": ["1", "0", "1"],
        "least\ntest 1": ["2", "–", ""],
        "mean\ntest 1": ["2", "–", ""],
        "greatest\ntest 1": ["2", "–", ""],
    }


def test_brackets_and_controls_in_a_class_name_are_shown_letter_by_letter():
    names = ("[vocals] lead", "drums [acoustic]", "[/x]", "[bold]tone[/bold]", "\x1b[2J")
    targets = np.eye(len(names), dtype=np.float32)
    corpus = Corpus(
        name="[b]",
        classes=names,
        clip_ids=np.array(list("abcde")),
        x=np.zeros((len(names), 1, 1), np.float32),
        y=targets,
        mask=targets >= 0,
        split=np.array(["train"] * len(names)),
    )
    console = Console(width=120, force_terminal=True, color_system=None)
    with console.capture() as captured:
        print_whole(console, corpus_table(corpus))
    printed = captured.get()
    assert all(name in printed for name in ("[b]", *names[:-1], r"\x1b[2J"))
