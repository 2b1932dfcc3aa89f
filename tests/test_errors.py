import pytest
from hydra.utils import instantiate

from musicssl.errors import InputError, check_output, printable, user_errors


def refuse():
    raise InputError("there is no corpus at /nowhere; give its folder.")


def wrapped():
    try:
        refuse()
    except InputError as error:
        raise RuntimeError("in the engine room") from error


def clumsily_handled():
    try:
        refuse()
    except InputError:
        raise ZeroDivisionError  # noqa: B904


def inside_a_config():
    instantiate({"_target_": "musicssl.data.batches.labelled_share", "b_s": 2, "batch_size": 8})


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (refuse, "there is no corpus at /nowhere; give its folder."),
        (wrapped, "there is no corpus at /nowhere; give its folder."),
        (inside_a_config, "data.b_s must be in [0, 1], got 2 (did you mean 0.02?)."),
    ],
)
def test_a_mistake_is_one_line_on_standard_error_and_status_2(capsys, action, message):
    with pytest.raises(SystemExit) as exit_, user_errors():
        action()
    assert exit_.value.code == 2
    captured = capsys.readouterr()
    assert captured.err == f"error: {message}\n"
    assert captured.out == ""


@pytest.mark.parametrize("defect", [ValueError("ours"), KeyError("x"), KeyboardInterrupt()])
def test_a_defect_keeps_its_traceback(capsys, defect):
    with pytest.raises(type(defect)) as raised, user_errors():
        raise defect
    assert raised.value is defect
    assert capsys.readouterr().err == ""


def test_a_mistake_that_was_handled_does_not_excuse_a_later_defect():
    """Raised while handling, not because of it: `__context__`, not `__cause__`."""
    with pytest.raises(ZeroDivisionError), user_errors():
        clumsily_handled()


def in_a_circle():
    defect = ValueError("ours")
    defect.__cause__ = RuntimeError()
    defect.__cause__.__cause__ = defect
    raise defect


def test_a_defect_whose_causes_form_a_circle_keeps_its_traceback():
    with pytest.raises(ValueError, match="ours"), user_errors():
        in_a_circle()


def test_nothing_happens_without_an_error():
    with user_errors():
        done = True
    assert done


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drums & bass, Café, 日本, 👩\u200d🎤", None),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("one\ntwo\r\n", r"one\ntwo\r\n"),
        ("\x9b2J\x07\x7f", r"\x9b2J\x07\x7f"),
        ("caf\udce9.wav", r"caf\udce9.wav"),
        ("abc\u202edef\u2028", r"abc\u202edef\u2028"),
        (r"C:\new", None),
    ],
)
def test_no_character_that_controls_a_terminal_is_printed(text, expected):
    assert printable(text) == (text if expected is None else expected)
    printable(text).encode()


def test_a_message_keeps_its_lines_and_loses_its_controls(capsys):
    with pytest.raises(SystemExit, match="2"), user_errors():
        raise InputError("class \x1b[2J\nis not known")
    assert capsys.readouterr().err == "error: class \\x1b[2J\nis not known\n"


def test_a_place_for_output_is_checked_and_nothing_is_made(tmp_path):
    (tmp_path / "file").write_text("")
    check_output(tmp_path / "new" / "deep" / "h.npz", "--out")
    check_output(tmp_path / "file", "--out")  # is written over
    check_output(tmp_path / "new", "--out", is_folder=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(InputError, match=r"--out: .* is a folder; name a file in it"):
        check_output(tmp_path, "--out")
    for path, is_folder in [(tmp_path / "file" / "h.npz", False), (tmp_path / "file", True)]:
        with pytest.raises(InputError, match=r"--out: .*file is a file; choose another folder"):
            check_output(path, "--out", is_folder)
