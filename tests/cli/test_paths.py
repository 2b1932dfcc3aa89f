"""Oracle: what Hydra's parser makes of the word is the path that was typed."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from musicssl.cli.paths import with_quoted_path

NAMES = [
    "plain",
    "a b",
    "Jörg",
    "a[b,c]",
    "(2020)",
    "a=b",
    "it's",
    'a"b',
    "{a}",
    "R&B",
    "a#1",
    "音",
]


def value_of(word):
    override = OverridesParser.create().parse_override(with_quoted_path(word))
    return None if override.is_sweep_override() else override.value()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("exists", [False, True])
def test_a_path_is_read_as_it_was_typed(tmp_path, name, exists):
    if exists:
        (tmp_path / name).mkdir()
    path = f"{tmp_path}/{name}/file.npz"
    assert value_of(f"data.root={path}") == path


def test_a_path_with_a_comma_is_one_value_only_if_there_is_such_a_file(tmp_path):
    (tmp_path / "a,b").touch()
    assert value_of(f"data.root={tmp_path}/a,b") == f"{tmp_path}/a,b"
    assert value_of(f"data.root={tmp_path}/c,d") is None


def test_a_relative_path_is_known_by_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Jörg").mkdir()
    (tmp_path / "Jörg" / "song.npz").touch()
    assert value_of("dataset.path=Jörg/song.npz") == "Jörg/song.npz"


@pytest.mark.parametrize(
    "word",
    [
        "seed=0,1",
        "data.root='/Jörg'",
        "dataset.path=[/a.npz,/b.npz]",
        "runs=${oc.env:HOME}/runs",
        "~unlabelled",
        "--help",
        "-m",
        "seed==1",
        "hydra.run.dir=/a/b",
    ],
)
def test_other_words_stay_as_they_are(word):
    assert with_quoted_path(word) == word
