"""Oracles: Hydra's own parser, and the round trip from settings to words and back."""

import argparse
import random
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from musicssl.datasets.base.options import (
    add_options,
    as_options,
    default_of,
    gathered,
    named_as_options,
    option_words,
    typed_setting,
    typed_text,
)
from musicssl.errors import InputError

SIGNS = "ab\"\\' ,[]{}()=:;|#-_./7é\t$@*?!<>&~"


def odd_names(count, seed=0):
    rng = random.Random(seed)
    names = ["".join(rng.choices(SIGNS, k=rng.randint(1, 6))) for _ in range(count)]
    return [*names, "true", "Null", "nan", "7", "1e3", "licence", "-x", "[]", '""']


def parsed(word):
    """Return key and value of an override as Hydra understands it."""
    override = OverridesParser.create().parse_override(word)
    value = override.value()
    if isinstance(value, list):
        return override.key_or_group, [getattr(item, "text", item) for item in value]
    return override.key_or_group, getattr(value, "text", value)


@pytest.mark.parametrize("name", ["licence", "/my/audio", "a b", "7", "null", ""])
def test_plain_words_need_no_quotes(name):
    assert (typed_text(name) == name) == (name in ("licence", "/my/audio"))


def test_hydra_and_a_shell_read_what_is_written():
    names = odd_names(300)
    for name in names:
        [word] = shlex.split(typed_setting("dataset.x", name))
        assert parsed(word) == ("dataset.x", name)
    for start in range(0, len(names), 5):
        [word] = shlex.split(typed_setting("dataset.x", names[start : start + 5]))
        assert parsed(word) == ("dataset.x", names[start : start + 5])


@dataclass(frozen=True)
class Settings:
    """Each kind of setting that a corpus has."""

    word: str = "usual"
    optional: str | None = None
    either: int | str | None = None
    number: int = 0
    fraction: float = 0.15
    names: Sequence[str] = ()
    chosen: Sequence[str] | None = None
    columns: Mapping[str, str | None] = field(
        default_factory=dict, metadata={"keys": ("path", "label"), "help": "100%% of it"}
    )


def parser():
    made = argparse.ArgumentParser(prog="x")
    add_options(made, fields(Settings))
    return made


def read(words):
    return Settings(**gathered(vars(parser().parse_args(words))))


def written(settings):
    changed = {
        option.name: getattr(settings, option.name)
        for option in fields(settings)
        if getattr(settings, option.name) != default_of(option)
    }
    return option_words(changed)


def test_defaults_are_those_of_the_settings_and_need_no_words():
    settings = read([])
    assert written(settings) == []
    assert settings == Settings(names=[])


def test_settings_survive_the_command_line():
    names = odd_names(60, seed=1)
    for start in range(0, len(names) - 4, 4):
        a, b, c, d = names[start : start + 4]
        settings = Settings(
            word=a, optional=b, either=c, number=-3, fraction=0.5, names=[a, b], chosen=[c, d],
            columns={"path": d, "label": None},
        )  # fmt: skip
        again = read(shlex.split(shlex.join(written(settings))))
        assert again == Settings(**(vars(settings) | {"columns": {"path": d}}))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--names", "a", "b"], ["a", "b"]),
        (["--names", "[a,b]"], ["a", "b"]),
        (["--names=[a, b]"], ["a", "b"]),
        (["--names", "a", "--names", "b"], ["a", "b"]),
        (["--names", '["a,b",c]'], ["a,b", "c"]),
        (["--names"], []),
        (["--names", "[]"], []),
        (["--names", ""], [""]),
    ],
)
def test_a_list_is_several_words_or_one_in_brackets(words, names):
    assert read(words).names == names


def test_null_is_none():
    assert read(["--optional", "null"]).optional is None
    assert read(["--optional", '"null"']).optional == "null"


def test_messages_name_options_in_place_of_settings():
    options = {"--root", "--test-fold", "--columns.path", "--sample-rate"}
    message = (
        "data.root, dataset.test_fold=2, dataset.columns.path=NAME, features.sample_rate; but "
        "dataset.unreadable=skip and the metadata.root."
    )
    assert as_options(message, options) == (
        "--root, --test-fold=2, --columns.path=NAME, --sample-rate; but dataset.unreadable=skip "
        "and the metadata.root."
    )
    with pytest.raises(InputError, match="set --names=") as caught, named_as_options(parser()):
        raise InputError(f"set {typed_setting('dataset.names', 'x')}")
    assert str(caught.value) == "set --names=x"


def test_an_advised_setting_works_as_an_option_too():
    names = odd_names(60, seed=2)
    advice = typed_setting("dataset.names", names)
    with pytest.raises(InputError) as caught, named_as_options(parser()):
        raise InputError(advice)
    assert read(shlex.split(str(caught.value))).names == names
