"""Docstrings in Google style as Markdown: the text, and what is said of each argument."""

import inspect
import re

_SECTION = re.compile(r"^(Args|Attributes|Class attributes|Raises|Returns|Yields|Example):$", re.M)
_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.M)


def text_of(docstring: str) -> str:
    """Return a docstring without its sections of arguments, errors and the like."""
    return _SECTION.split(inspect.cleandoc(docstring))[0].rstrip()


def arguments_of(called: type) -> dict[str, str]:
    """Return what a class and its bases say of each argument; what the class says counts."""
    said: dict[str, str] = {}
    for base in reversed(called.__mro__):
        parts = _SECTION.split(inspect.cleandoc(base.__dict__.get("__doc__") or ""))
        for name, content in zip(parts[1::2], parts[2::2], strict=True):
            if name == "Args":
                said |= {key: " ".join(text.split()) for key, text in _ARGUMENT.findall(content)}
    return said
