"""The settings of a corpus as words of a command line, written and read.

Messages tell users what to type. `typed_setting` writes a setting as a shell and Hydra read it.
`add_options` gives the command of a corpus an option for each of its settings, and
`option_words` writes these options.
"""

import argparse
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field
from typing import Any, get_args, get_origin

from musicssl.errors import InputError

_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*", re.ASCII)  # what Hydra reads as text without quotes
_WORDS = {"true", "false", "null", "nan", "inf"}  # but not these
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SETTING = re.compile(r"\b(?:data|dataset|features)\.([a-z_]+(?:\.[a-z_]+)?)")


def typed_text(text: str) -> str:
    r"""Write text as Hydra reads it: in double quotes unless it is a plain word.

    >>> typed_text("licence"), typed_text("freesound id"), typed_text("7"), typed_text('a"b')
    ('licence', '"freesound id"', '"7"', '"a\\"b"')
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    escaped = re.sub(r'(\\*)("|$)', lambda run: 2 * run[1] + (run[2] and '\\"'), text)
    return f'"{escaped}"'


def typed_list(names: Sequence[str]) -> str:
    """Write a list as Hydra reads it.

    >>> typed_list(["a", "b c"])
    '[a,"b c"]'
    """
    return f"[{','.join(map(typed_text, names))}]"


def typed_setting(key: str, value: str | Sequence[str]) -> str:
    """Write a setting for a message, with the quotes that a shell needs.

    >>> print(typed_setting("dataset.separator", ","))
    'dataset.separator=","'
    """
    text = typed_text(value) if isinstance(value, str) else typed_list(value)
    return shlex.quote(f"{key}={text}")


def add_options(parser: argparse.ArgumentParser, settings: Sequence[Field[Any]]) -> None:
    """Add an option for each setting of a corpus: `--test-fold` for `test_fold`.

    A list takes several words, or one in brackets. A mapping has an option for each of its keys,
    `--columns.path`; the field's metadata name them (`keys`). Its metadata may also hold the
    option's `help`.
    """
    for setting in settings:
        name, default = _option(setting.name), default_of(setting)
        text = setting.metadata.get("help", f"default: {default}")
        if _is_a(setting, Mapping):
            for key in setting.metadata["keys"]:
                parser.add_argument(f"{name}.{key}", type=_text, help=f"{key}: {text}")
        elif _is_a(setting, Sequence):
            start = None if default is None else list(default)
            several: dict[str, Any] = {"type": _texts, "nargs": "*", "action": _Extend}
            parser.add_argument(name, **several, default=start, help=text)
        else:
            kind = _text if default is None or isinstance(default, str) else type(default)
            parser.add_argument(name, type=kind, default=default, help=text)


def gathered(given: Mapping[str, Any]) -> dict[str, Any]:
    """Put the parsed options of a mapping together: `columns.path` becomes a key of `columns`."""
    settings: dict[str, Any] = {}
    for name, value in given.items():
        whole, _, key = name.partition(".")
        if not key:
            settings[name] = value
        else:
            settings.setdefault(whole, {})
            if value is not None:
                settings[whole][key] = value
    return settings


def option_words(settings: Mapping[str, Any]) -> list[str]:
    """Write settings as words of a command line; None and empty ones are left out."""
    words: list[str] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            words += option_words({f"{name}.{key}": value[key] for key in value})
        elif isinstance(value, list | tuple):
            plain = all(typed_text(str(item)) == str(item) for item in value)
            typed = [str(item) for item in value] if plain else [typed_list(list(map(str, value)))]
            words += [_option(name), *typed] if value else []
        elif value is not None:
            words += _option_with(_option(name), str(value))
    return words


def default_of(setting: Field[Any]) -> Any:
    """Return the default of a setting, also of one with a factory."""
    if setting.default_factory is not MISSING:
        return setting.default_factory()
    return setting.default


@contextmanager
def named_as_options(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Let messages name the options of a command instead of the settings of train.py.

    Raises:
        InputError: With `--root` for `data.root`, and so on.
    """
    try:
        yield
    except InputError as error:
        options = {word for action in parser._actions for word in action.option_strings}
        raise InputError(as_options(str(error), options)) from error


def as_options(message: str, options: Collection[str]) -> str:
    """Return a message with the options of a command instead of its settings.

    >>> as_options("set data.root, or dataset.unreadable=skip.", ["--root"])
    'set --root, or dataset.unreadable=skip.'
    """

    def option(setting: re.Match[str]) -> str:
        name = _option(setting[1])
        return name if name in options else setting[0]

    return _SETTING.sub(option, message)


class _Extend(argparse.Action):
    """Join the words of a list; one word may hold several, in brackets."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        earlier = getattr(namespace, self.dest) or []
        setattr(namespace, self.dest, [*earlier, *(name for names in values for name in names)])


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _option_with(option: str, text: str) -> list[str]:
    if text.startswith(('"', "[")) or text == "null":
        text = typed_text(text)
    return [f"{option}={text}"] if text.startswith("-") else [option, text]


def _is_a(setting: Field[Any], kind: type) -> bool:
    """Whether the values of a setting are lists or mappings, or None instead."""
    kinds = (setting.type, *get_args(setting.type))
    return any(get_origin(part) in (kind, getattr(kind, "__origin__", kind)) for part in kinds)


def _text(word: str) -> str | None:
    """Read text as Hydra does: null is None, and quotes may enclose it."""
    quoted = _QUOTED.fullmatch(word)
    if quoted is not None:
        return re.sub(r'(\\*)\\"|(\\+)$', _unescaped, quoted[1])
    return None if word == "null" else word


def _unescaped(run: re.Match[str]) -> str:
    slashes = run[1] if run[1] is not None else run[2]
    return "\\" * (len(slashes) // 2) + ('"' if run[1] is not None else "")


def _texts(word: str) -> list[str]:
    """Read one word of a list, or all of the list in brackets."""
    if not (word.startswith("[") and word.endswith("]")):
        return [str(_text(word))]
    items = re.findall(r'"(?:[^"\\]|\\.)*"|[^,]+', word[1:-1])
    return [str(_text(item.strip())) for item in items]
