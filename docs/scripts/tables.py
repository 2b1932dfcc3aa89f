"""Tables in Markdown, and the table of the settings of a choice."""

from collections.abc import Iterable, Mapping

from docs.scripts.conf_files import ConfFile, Setting, read


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; a bar in a cell is escaped."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |\n" for row in lines
    )


def settings_table(conf: ConfFile, arguments: Mapping[str, str]) -> str:
    """Return the settings of a file; what it does not say of one, others say.

    Args:
        conf: The file.
        arguments: What the docstring of the class says of its arguments.
    """
    rows = [
        (f"`{setting.key}`", setting.value, _said(setting, arguments))
        for setting in conf.settings.values()
    ]
    return table(("setting", "default", "what it is"), rows)


def _said(setting: Setting, arguments: Mapping[str, str]) -> str:
    """Return the comment beside a setting, or what its class or conf/train.yaml says of it."""
    common = read("", "train").settings.get(setting.key)
    argument = arguments.get(setting.key.partition(".")[2], "")
    return setting.comment or argument or (common.comment if common else "")
