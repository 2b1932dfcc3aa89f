"""What can be typed: the options of every group, and the settings of every command."""

import re
from importlib import import_module

from docs.scripts.conf_files import CONF, ConfFile, options, read
from docs.scripts.tables import settings_table, table
from musicssl.cli.help import GROUPS

_OWN_PAGES = {
    "method": "methods/index.md",
    "dataset": "corpora/index.md",
    "unlabelled": "corpora/index.md",
    "encoder": "encoders.md",
    "pooling": "encoders.md",
}


def choices_page() -> str:
    """Return a section for each group of conf/, and the settings of train.py and probe.py."""
    groups = sorted(path.name for path in CONF.iterdir() if path.is_dir())
    return (
        "".join(_section(group) for group in groups)
        + f"\n## Settings of train.py\n\n{settings_table(_settings('train'), {})}"
        + f"\n## Settings of probe.py\n\n{settings_table(_settings('probe'), {})}"
    )


def _section(group: str) -> str:
    head = f"\n## {group}\n\n{_capital(GROUPS.get(group, ''))}.\n"
    if group in _OWN_PAGES:
        return f"{head}\nSee [the page of {group}]({_OWN_PAGES[group]}).\n"
    rows = [(f"`{name}`", _sentence(read(group, name))) for name in options(group)]
    return f"{head}\n{table((f'`{group}=`', 'what it is'), rows)}"


def _sentence(conf: ConfFile) -> str:
    """Return what a file says of itself, or else the first line of what it builds."""
    if conf.sentence or not conf.target:
        return conf.sentence
    module, _, called = conf.target.rpartition(".")
    doc = getattr(import_module(module), called).__doc__ or ""
    return doc.partition("\n")[0]


def _settings(command: str) -> ConfFile:
    """Return the settings of a command, less those of Hydra and those that repeat a choice."""
    conf = read("", command)
    for key in list(conf.settings):
        repeats = key in GROUPS or re.match(r"hydra\.|data\.(dataset|unlabelled)$", key)
        if repeats:
            del conf.settings[key]
    return conf


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
