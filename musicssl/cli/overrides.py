"""A mistyped override becomes one sentence that names what was probably meant."""

import difflib
import errno
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import (
    ConfigCompositionException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from musicssl.cli.conf import composed, config_loader
from musicssl.errors import InputError

_LAUNCHER, _SEARCH_PATH = "hydra/launcher", "hydra.searchpath"
_FORMER_RECIPE = re.compile(r"(openmic|synthband)_(\w+)")  # experiments of 0.1: CORPUS_RECIPE


@contextmanager
def override_errors(conf: Path, name: str, arguments: Sequence[str]) -> Iterator[None]:
    """Name the override that cannot be used; a fault of our own files keeps its traceback.

    A run's folder is named by its overrides, which may be too many for the file system.

    Hydra prints such an error itself unless HYDRA_FULL_ERROR=1.

    Args:
        conf: The folder of the configuration files.
        name: Name of the root among them.
        arguments: Arguments of the command line; overrides have a `=` and no leading dash.

    Raises:
        InputError: If the configuration cannot be composed, or the name of the folder is not
            possible.
    """
    try:
        yield
    except (ConfigCompositionException, OverrideParseException) as error:
        overrides = [item for item in arguments if "=" in item and not item.startswith("-")]
        sentence = _explain(error, conf, name, overrides)
        if sentence is None:
            raise
        raise InputError(sentence) from error
    except OmegaConfBaseException as error:
        raise InputError(_unresolved(error, arguments)) from error
    except (ValueError, TypeError) as error:
        sentence = None if isinstance(error, InputError) else _no_option(conf, arguments)
        if sentence is None:
            raise
        raise InputError(sentence) from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise InputError(
            "the overrides make a name that is too long for the folder of a run; give it another, "
            "hydra.run.dir=FOLDER (in a sweep hydra.sweep.subdir=..., another for each job)."
        ) from error


def nearest(key: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant: with the same last part, or spelt alike.

    >>> nearest("p_s", ["seed", "data.p_s", "datamodule.p_s"])
    'data.p_s'
    """
    names = sorted(names, key=len)
    last = _last(key)
    same_end = [name for name in names if _last(name) == last]
    if same_end:
        return max(same_end, key=lambda name: difflib.SequenceMatcher(None, key, name).ratio())
    section = [name for name in names if _place(name) == _place(key)]
    if not section:
        alike = difflib.get_close_matches(key, names, n=1)
        if alike:
            return alike[0]
    ends = {_last(name): name for name in [*reversed(names), *section]}
    return next((ends[end] for end in difflib.get_close_matches(last, ends, n=1)), None)


def _explain(
    error: ConfigCompositionException | OverrideParseException,
    conf: Path,
    name: str,
    overrides: Sequence[str],
) -> str | None:
    if isinstance(error, OverrideParseException):
        key, _, value = str(error.override).partition("=")
        advice = f"if the value is one piece of text, write \"{key}='{value}'\"."
        if value.startswith("["):
            advice = f"put quotes around each entry of the list, \"{key}=['...','...']\"."
        return f"{error.override} cannot be read as key=value; {advice}"
    if isinstance(error, MissingConfigException):
        return _unknown_choice(error)
    line = str(error).splitlines()[0] if str(error) else ""
    quoted = re.findall(r"'([^']+)'", line)
    if line.startswith("Could not override"):
        return _not_overridden(quoted[0], str(error), conf, name, overrides)
    if line.startswith("force-add of config groups"):
        return f"{quoted[0]} chooses an option of a group; leave out the plus signs."
    if line.startswith("Error merging override"):
        override = line.removeprefix("Error merging override").strip()
        section = override.partition("=")[0]
        return f"{override} is no value for {section}; python {name}.py --help shows what it holds."
    if line.startswith("Could not delete from config"):
        return f"there is no setting {quoted[0]} to remove, or it has another value; leave it out."
    if line.endswith("appears more than once in the final defaults list"):
        group = line.partition(" ")[0]
        return f"{group} is chosen already; choose another without the plus sign, {group}=..."
    if line.startswith("Multiple values for"):
        group = line.removeprefix("Multiple values for ").partition(".")[0]
        return f"{group} is chosen already; choose another without the plus sign, {group}=..."
    if line.startswith("Could not append to config"):
        return f"{quoted[0]} is there already; change it without the plus sign, {quoted[0]}=..."
    if "--multirun" in str(error):  # also where a mistake kept Hydra from seeing sweep=...
        return _any_unknown_setting(conf, name, overrides) or (
            f"{quoted[0]} names several values; add -m to run them all as a sweep."
        )
    return None


def _not_overridden(
    key: str, message: str, conf: Path, name: str, overrides: Sequence[str]
) -> str | None:
    places = re.search(r"Did you mean to override (?:one of )?(.+)\?$", message, re.MULTILINE)
    if places:
        return _ambiguous_group(key, places[1].split(", "), conf, overrides)
    if (conf / key).is_dir():
        return _group_without_place(key, conf, name)
    return _unknown_setting(key, conf, name, overrides)


def _unresolved(error: OmegaConfBaseException, arguments: Sequence[str]) -> str:
    """Name the override that refers to a setting that does not exist."""
    line = str(error).splitlines()[0]
    to_blame = [item for item in arguments if item.startswith("~") or item.endswith("=[]")]
    if to_blame:
        return f"{to_blame[0]} removes a setting that others refer to; leave it out ({line})."
    place = f"{error.full_key}: " if getattr(error, "full_key", None) else ""
    return f"the settings cannot be resolved: {place}{line}; correct the override that says so."


def _no_option(conf: Path, arguments: Sequence[str]) -> str | None:
    """Name the override that gives a number, null or a list instead of an option's name."""
    for override in arguments:
        group, _, value = override.partition("=")
        options = sorted(file.stem for file in (conf / group.lstrip("+")).glob("*.yaml"))
        if group and options and not _is_word(value):
            return f"there is no {group}={value}; choose one of {', '.join(options)}."
    return None


def _is_word(value: str) -> bool:
    """Whether Hydra reads a value as a string, which the name of an option is."""
    with suppress(ValueError):
        float(value)
        return False
    return isinstance(yaml.safe_load(value), str)


def _unknown_choice(error: MissingConfigException) -> str | None:
    group, _, choice = (error.missing_cfg_file or "").rpartition("/")
    if not group or not error.options:
        return None
    if group == _LAUNCHER:
        return f"the launcher {choice} is not installed; docs/guides/sweeps.md says how."
    former = _FORMER_RECIPE.fullmatch(choice) if group == "experiment" else None
    if former is not None and former[2] in error.options:
        return (
            f"experiment={choice} is now a recipe and a corpus: experiment={former[2]} "
            f"dataset={former[1]}."
        )
    meant = difflib.get_close_matches(choice, error.options, n=1)
    guess = f"did you mean {meant[0]}? The choices are" if meant else "choose one of"
    return f"there is no {group}={choice}; {guess} {', '.join(sorted(error.options))}."


def _ambiguous_group(key: str, places: Sequence[str], conf: Path, overrides: Sequence[str]) -> str:
    """Name the places, `group@package`, and a group of their section that chooses for all."""
    choices = (item.partition("=")[2] for item in overrides if item.startswith(f"{key}="))
    choice = next(choices, "...")
    meant = [f"{place}={choice}" for place in places]
    sections = sorted({_place(place.partition("@")[2]) for place in places})
    meant += [f"{s}={choice} for all" for s in sections if (conf / s / f"{choice}.yaml").is_file()]
    return f"{key} is chosen for each place by itself: {' or '.join(meant)}."


def _group_without_place(group: str, conf: Path, name: str) -> str:
    """Name the choices that use a group, if none of them was made."""
    takers = [
        f"{file.parent.name}={file.stem}"
        for file in sorted(conf.glob("*/*.yaml"))
        if any(f"/{group}" in default for default in _defaults_lists(file))
    ]
    if not takers:
        return f"{group}=... is no choice of {name}.py; leave it out."
    return f"{group}=... has no effect here; it is a choice for {' or '.join(takers)}."


def _defaults_lists(file: Path) -> Iterator[Any]:
    """Go through the defaults of a file, and those of the base files that it starts with."""
    settings = OmegaConf.load(file)
    assert isinstance(settings, DictConfig)
    for default in settings.get("defaults", []):
        yield default
        if isinstance(default, str) and default.startswith("base/"):
            yield from _defaults_lists(file.parent / f"{default}.yaml")


def _any_unknown_setting(conf: Path, name: str, overrides: Sequence[str]) -> str | None:
    settings, groups = known_settings(conf, name, overrides)
    keys = [item.partition("=")[0] for item in overrides]
    known = {*settings, *groups}
    unknown = [k for k in keys if not {k, k.partition("@")[0]} & known and k[0] not in "+~"]
    return _unknown_setting(unknown[0], conf, name, overrides) if unknown else None


def _unknown_setting(key: str, conf: Path, name: str, overrides: Sequence[str]) -> str:
    settings, groups = known_settings(conf, name, overrides)
    if key in settings:
        return replaced_by(key, settings, groups, overrides) or (
            f"{key} is not a setting of every job of this sweep; leave out it or some choices."
        )
    typed = [s for s in settings if not s.startswith("hydra.") and not _last(s).startswith("_")]
    guess = nearest(key, [*typed, *groups])
    section = settings.get(_place(key))
    advice = f"did you mean {guess}?" if guess else f"python {name}.py --help lists all settings."
    elsewhere = guess is None or _place(guess) != _place(key)
    if elsewhere and isinstance(section, dict) and "_target_" in section:
        advice = f"to hand it to {section['_target_']} all the same, write +{key}=..."
    elif choices := choices_with(key, conf):
        advice = f"it is a setting of {' or '.join(choices)}."
    return f"there is no setting {key}; {advice}"


def replaced_by(
    key: str, settings: Mapping[str, Any], groups: Iterable[str], overrides: Iterable[str]
) -> str | None:
    """Name the override that replaced the section of a setting by a single value."""
    for override in overrides:
        section = override.partition("=")[0]
        inside = key in settings and key.startswith(f"{section}.")
        if inside and section not in groups:
            parts = (f"{section}.{part}=..." for part in settings[section] if part[0] != "_")
            return (
                f"{override} replaces all settings of {section}, {key} among them; set "
                f"{', '.join(parts)} one by one instead."
            )
    return None


def known_settings(
    conf: Path, name: str, overrides: Sequence[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return settings by their path, under the choices made, and the groups of choices.

    Hydra has read all choices without complaint when it meets an unknown setting.
    """
    with config_loader(conf) as loader:
        groups = tuple(loader.list_groups(""))
        made = [
            _first(override)
            for override in OverridesParser.create(loader).parse_overrides(list(overrides))
            if "/" in override.key_or_group or override.key_or_group in (*groups, _SEARCH_PATH)
        ]
    config = composed(name, *made, conf=conf)
    return dict(paths_in(OmegaConf.to_container(config))), groups


def choices_with(key: str, conf: Path) -> list[str]:
    """List the choices, `group=option`, whose files contain a setting."""
    found = []
    for file in sorted(conf.glob("*/*.yaml")):
        group = file.parent.name
        prefix = "" if "@package _global_" in file.read_text() else f"{group}."
        if key in dict(paths_in(OmegaConf.to_container(OmegaConf.load(file)), prefix)):
            found.append(f"{group}={file.stem}")
    return found


def _first(override: Override) -> str:
    """Return an override with the first of the values it names."""
    if override.is_sweep_override():
        return f"{override.key_or_group}={next(override.sweep_string_iterator())}"
    return str(override.input_line)


def paths_in(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the settings below a node by their path, sections before what is in them."""
    for key, value in node.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict):
            yield from paths_in(value, f"{prefix}{key}.")


def _place(name: str) -> str:
    return name.rpartition(".")[0]


def _last(name: str) -> str:
    return name.rpartition(".")[2]
