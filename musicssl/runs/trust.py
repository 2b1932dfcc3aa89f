"""What the settings in a checkpoint may call.

Hydra calls whatever `_target_` names, so settings that come from a file are checked before Hydra
sees them. A name is compared with the trusted modules before anything is imported.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from musicssl.encoders.hear import HearEncoder
from musicssl.errors import InputError
from musicssl.losses.similarity import of_targets

METHOD_PARTS = (
    *("musicssl.methods", "musicssl.encoders", "musicssl.networks", "musicssl.losses"),
    *("musicssl.augment", "musicssl.schedules", "torch.optim"),
)
FEATURE_PARTS = (
    *("musicssl.audio.cqt",),
    *("musicssl.audio.log_mel", "musicssl.audio.log_mel_mfcc", "musicssl.audio.mfcc"),
    "musicssl.audio.waveform",
)
CORPUS_PARTS = ("musicssl.datasets", *FEATURE_PARTS)
NETWORK_PARTS = (
    *("musicssl.encoders", "musicssl.networks", "musicssl.methods.generative"),
    "musicssl.losses.likelihoods",
)
_BY_NAME = (of_targets,)  # parts that import what a string among their arguments names
_OF_HEAR = (
    "musicssl.encoders.hear",
    "musicssl.encoders.pretrained.hear",
)  # import a module by name
_HEAR = "musicssl.hear"  # a HEAR module that executes nothing of the files it reads
_OF_HYDRA = ("_target_", "_partial_", "_recursive_", "_convert_")  # "_args_" are arguments
_PLAIN = (str, int, float, bool, type(None))
_MOST_VALUES, _DEEPEST = 100_000, 50  # of settings, far more than any run has


def check_plain(settings: Any, path: Path | str) -> None:
    """Refuse settings that are not resolved, or more than lists, dicts and plain values.

    A container that holds itself, or refers many times to another one, is refused as too large:
    each of its values is counted as often as it is reached.

    Args:
        settings: Settings of any type.
        path: Path of the file that holds the settings.

    Raises:
        InputError: If there is an interpolation, a value of another type, or too much of all.
    """
    waiting, count = [(settings, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > _MOST_VALUES or depth > _DEEPEST:
            raise InputError(
                f"{path} holds more settings, or deeper ones, than any run has; do not use this "
                "file."
            )
        if type(node) is dict:
            if not all(isinstance(key, str) for key in node):
                raise InputError(
                    f"{path} has settings whose names are no text; do not use this file."
                )
            waiting += [(item, depth + 1) for pair in node.items() for item in pair]
        elif type(node) is list:
            waiting += [(item, depth + 1) for item in node]
        elif type(node) not in _PLAIN:
            raise InputError(
                f"{path} holds a {type(node).__name__} among its settings, which are lists, "
                "dictionaries and plain values; do not use this file."
            )
        elif isinstance(node, str) and "${" in node:
            raise InputError(f"{path} is not resolved, it holds {node!r}; do not use this file.")


def check_parts(config: Any, trusted: Sequence[str], path: Path | str) -> None:
    """Refuse settings that would call anything but trusted parts.

    Args:
        config: Plain dicts, lists, strings and numbers.
        trusted: Packages or modules. A part must be named through one of them, and defined in one:
            `musicssl.methods.att.torch.load` is neither a name nor a part of musicssl.
        path: Path of the file that holds the settings.

    Raises:
        InputError: If a name is not trusted or cannot be imported, if settings are not resolved, or
            if they hold anything but lists, dicts and plain values, which Hydra may take for such.
    """
    check_plain(config, path)
    _visit(
        config,
        lambda name: _trusted_part(name, trusted, path),
        lambda name: _check_module(name, trusted, path),
    )


def homes(config: Any) -> list[str]:
    """Name the modules of all that a configuration calls, to trust what you have configured.

    Args:
        config: Plain dicts, lists, strings and numbers, such as the settings of a method.
    """
    found: list[str] = []

    def part(name: Any) -> Any:
        called = imported(str(name))
        found.extend(dict.fromkeys([str(name).rpartition(".")[0], _home(called)]))
        return called

    check_plain(config, "the configuration")
    _visit(config, part, lambda name: found.append(str(name)))
    return found


def _visit(node: Any, part: Callable[[Any], Any], module: Callable[[Any], None]) -> None:
    """Pass each name that plain settings call to `part`, which checks and then imports it.

    Names of HEAR modules are passed to `module` before anything imports them.
    """
    if isinstance(node, list):
        for item in node:
            _visit(item, part, module)
    elif isinstance(node, dict):
        arguments = {key: value for key, value in node.items() if key not in _OF_HYDRA}
        called = part(node["_target_"]) if "_target_" in node else None
        if called in _BY_NAME:
            for name in _strings(arguments):
                part(name)
        if called is HearEncoder:
            module(arguments.get("module"))
        for value in node.values():
            _visit(value, part, module)


def _strings(node: Any) -> Iterator[str]:
    """Yield all strings in lists and dicts, at any depth, but for keys."""
    if isinstance(node, str):
        yield node
    if isinstance(node, list | dict):
        for item in node.values() if isinstance(node, dict) else node:
            yield from _strings(item)


def _trusted_part(name: Any, trusted: Sequence[str], path: Path | str) -> Any:
    """Import a part by its dotted name, if it is trusted."""
    if not isinstance(name, str) or not _is_within(name, trusted):
        raise _untrusted(name, str(name).rpartition(".")[0] or name, path)
    part = imported(name)
    if not _is_within(_home(part), trusted):
        raise _untrusted(name, _home(part), path)
    if not _may_be_configured(part, name) or (_home(part) in _OF_HEAR and part is not HearEncoder):
        raise InputError(
            f"{path} wants to call {name}, which is no part of a method or a corpus; do not use "
            "this file."
        )
    return part


def _check_module(name: Any, trusted: Sequence[str], path: Path | str) -> None:
    """Refuse the name of a HEAR module that is not trusted."""
    if name is not None and not _is_within(str(name), (_HEAR, *trusted)):
        raise _untrusted(name, name, path)


def _may_be_configured(part: Any, name: str) -> bool:
    """Whether settings may name a part: not private parts of musicssl, not commands of corpora.

    A corpus is a class, or the function that has the name of its module; the others download and
    write files.
    """
    if name.startswith("musicssl.") and "._" in name:
        return False
    of_corpora = _is_within(_home(part), ("musicssl.datasets",))
    return not of_corpora or isinstance(part, type) or _home(part).endswith(f".{part.__name__}")


def _is_within(module: str, trusted: Sequence[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in trusted)


def imported(name: str) -> Any:
    """Import an object by its dotted name, and no module but that of the name and those around it.

    It is an object of that module, or belongs to a class there; what the module itself has
    imported, as `musicssl.methods.att.torch.load`, cannot be had in this way.
    """
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            module = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise _missing(name) from error  # the module is there, but not what it imports
            continue
        except Exception as error:  # a module raises whatever it likes while it is imported
            raise _missing(name) from error
        found: Any = module
        for part in parts[cut:]:
            if isinstance(found, ModuleType) and found is not module:
                raise _missing(name)
            found = getattr(found, part, None)
        if found is not None:
            return found
        break
    raise _missing(name)


def _missing(name: str) -> InputError:
    return InputError(
        f"the checkpoint wants to call {name}, which cannot be imported; install what it came with."
    )


def _home(part: Any) -> str:
    """Name the module in which an object was defined."""
    return str(getattr(part, "__module__", None))


def _untrusted(name: Any, home: Any, path: Path | str) -> InputError:
    return InputError(
        f"{path} wants to call {name}; if you know and trust it, say so: trusted=[{home!r}] to "
        f"probe.py, load_method(path, trusted=[{home!r}]) in Python."
    )
