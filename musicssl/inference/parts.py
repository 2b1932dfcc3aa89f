"""Parts that a description names, built without Hydra, and the description of such parts."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any

from musicssl.errors import InputError
from musicssl.runs.trust import check_parts, imported

_OF_HYDRA = ("_target_", "_partial_", "_recursive_", "_convert_")


def built(
    settings: Any, trusted: Sequence[str], path: Path | str, sizes: Mapping[str, Any] | None = None
) -> Any:
    """Build what settings describe, as Hydra would.

    Args:
        settings: Plain values; a dict with `_target_` is called with the rest as keyword arguments,
            or becomes a `functools.partial` with `_partial_: true`.
        trusted: Packages or modules that parts may come from; see `musicssl.runs.trust`.
        path: Path of the file that holds the settings, for messages.
        sizes: Further keyword arguments of the outermost part.

    Raises:
        InputError: If a part is not trusted or cannot be imported, or refuses its settings.
    """
    check_parts(settings, trusted, path)
    return _built(settings, path, sizes or {})


def _built(node: Any, path: Path | str, sizes: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_built(item, path, {}) for item in node]
    if not isinstance(node, dict):
        return node
    arguments = {k: _built(v, path, {}) for k, v in node.items() if k not in _OF_HYDRA}
    if "_target_" not in node:
        return arguments
    part, positional = imported(node["_target_"]), arguments.pop("_args_", [])
    if node.get("_partial_"):
        return partial(part, *positional, **arguments, **sizes)
    try:
        return part(*positional, **arguments, **sizes)
    except InputError:
        raise
    except Exception as error:  # foreign settings: a part may raise any exception
        raise InputError(
            f"{path} has settings that build no {node['_target_']} in this version of musicssl; "
            "use another copy, or train it again."
        ) from error


def described(part: Any) -> Any:
    """Return the settings that `built` makes a part from.

    Args:
        part: A class or function of a module, a `functools.partial` of one, a dataclass or a
            method of one, or lists, tuples, dicts and plain values of such.

    Raises:
        TypeError: If it is anything else.
    """
    if isinstance(part, partial):
        arguments = {str(key): described(value) for key, value in part.keywords.items()}
        called = described(part.func)
        positional = [*called.pop("_args_", []), *described(part.args)]
        return {**called, **({"_args_": positional} if positional else {}), **arguments}
    if part is None or isinstance(part, bool | int | float | str):
        return part
    if isinstance(part, Sequence):  # Hydra's lists and dicts too
        return [described(item) for item in part]
    if isinstance(part, Mapping):
        return {str(key): described(value) for key, value in part.items()}
    if is_dataclass(part) and not isinstance(part, type):
        values = {field.name: getattr(part, field.name) for field in fields(part)}
        return {**_named(type(part)), **{name: described(v) for name, v in values.items()}}
    if isinstance(part, MethodType):
        owner = type(part.__self__)
        name = f"{owner.__module__}.{owner.__qualname__}.{part.__name__}"
        return {"_target_": name, "_partial_": True, "_args_": [described(part.__self__)]}
    if callable(part) and hasattr(part, "__qualname__"):
        return {**_named(part), "_partial_": True}
    raise TypeError(f"a {type(part).__name__} cannot be described")


def _named(part: Any) -> dict[str, Any]:
    return {"_target_": f"{part.__module__}.{part.__qualname__}"}
