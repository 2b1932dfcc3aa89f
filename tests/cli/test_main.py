"""`musicssl COMMAND`: which command runs, and what is said about a mistake."""

import runpy
import subprocess
import sys

import pytest

from musicssl.cli.main import main
from tests.support.commands import ROOT


def test_help_lists_all_commands(capsys):
    for words in ([], ["--help"]):
        main(words)
        said = capsys.readouterr().out
        assert all(f"musicssl {name} " in said for name in ("train", "probe", "report", "data"))


def test_the_module_is_the_command(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["musicssl", "report", "--help"])
    said = []
    for run in (main, lambda: runpy.run_module("musicssl", run_name="__main__", alter_sys=True)):
        with pytest.raises(SystemExit) as stop:
            run()
        assert not stop.value.code
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "error: there is no command 'trian'; did you mean train?\n"),
        (["x"], "error: there is no command 'x'; musicssl --help lists them.\n"),
        (["data", "gtzam"], "error: there is no corpus 'gtzam'; did you mean gtzan?\n"),
        (["data", "synthband"], "error: there is no corpus 'synthband'; "),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_status_2(words, said, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith(said)


def test_data_runs_the_command_of_a_corpus(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["musicssl"])
    with pytest.raises(SystemExit) as stop:
        main(["data", "gtzan", "--root", str(tmp_path / "nowhere")])
    assert stop.value.code == 2
    assert "nowhere" in capsys.readouterr().err


def test_data_help_lists_corpora(capsys):
    main(["data", "--help"])
    said = capsys.readouterr().out
    assert "gtzan, irmas, magnatagatune" in said
    assert "synthband" not in said


@pytest.mark.parametrize("name", ["main", "train", "probe"])
def test_help_needs_no_torch(name):
    """Oracle: the modules that a fresh interpreter has imported."""
    heavy = {"torch", "wandb", "matplotlib"}
    code = f"import sys, musicssl.cli.{name}; print(*{heavy} & set(sys.modules))"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "\n"
