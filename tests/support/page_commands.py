"""The commands in the code blocks of a page, as words."""

import re
import shlex
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser


def commands(page: Path, script="train.py"):
    """The arguments of every `python train.py`, or another, in the code blocks of a page."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    split = [shlex.split(line, comments=True) for line in lines]
    return [words[2:] for words in split if words[:2] == ["python", script]]


def first_values(overrides):
    """Of an axis, the first value; of Hydra's flags, none."""
    parsed = OverridesParser.create().parse_overrides([o for o in overrides if o[0] != "-"])
    return [
        f"{o.key_or_group}={_first(o)}" if o.is_sweep_override() else o.input_line for o in parsed
    ]


def _first(override):
    if override.is_interval_sweep():
        return override.value().start
    return next(override.sweep_string_iterator())
