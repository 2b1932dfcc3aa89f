"""Checks of composed settings: of their kinds, of removed ones, and of choices without effect."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra.utils import get_object
from omegaconf import OmegaConf

from musicssl.cli.conf import conf_folder
from musicssl.cli.overrides import choices_with, known_settings, paths_in, replaced_by
from musicssl.errors import InputError

_TAKEN_BY = {  # groups that only some methods use, with a hint for users of other methods
    "views": "method=supervised learns from labels alone with views and a teacher",
    "mixing": "method=att and method=supervised learn from labels of mixed clips",
    "teacher": "method=supervised learns from labels alone with views and a teacher",
    "similarity": "method=semisupcon and method=supcon compare labels",
    "encoder": "it has a model of its own, whose settings are method.NAME=VALUE",
    "pooling": "it has a model of its own, whose settings are method.NAME=VALUE",
    "loss": "what it minimises is its own",
}
_NOTHING = ("views=none", "mixing=none", "similarity=null", "loss=null")
_SEVERAL_KINDS = ("trainer.devices", "trainer.limit_train_batches")  # Lightning checks them


def check_kinds(settings: Mapping[str, Any], conf: Path, name: str, made: Any) -> None:
    """Check that a number was given where the files have one, and true or false where they do.

    Args:
        settings: Settings of a run, plain values.
        conf: The folder of the configuration files.
        name: Name of the root among them.
        made: Hydra's own and the other overrides of the run, `hydra` and `task`.

    Raises:
        InputError: If a value of another kind was given, or one in place of a whole section with
            settings that it takes along; null is for the part itself to refuse.
    """
    both = OmegaConf.to_container(made, resolve=False)
    assert isinstance(both, dict)
    by_default, groups = known_settings(conf, name, [*both["hydra"], *both["task"]])
    there = dict(paths_in(settings))
    for key in (override.partition("=")[0] for override in both["task"]):
        if key not in there and (lost := replaced_by(key, by_default, groups, both["task"])):
            raise InputError(lost)
    for key, value in there.items():
        if value is not None and key not in _SEVERAL_KINDS:
            _check_kind(key, value, by_default.get(key))


def _check_kind(key: str, value: Any, default: Any) -> None:
    """Check a value against a default that is true or false, a whole number or a number."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InputError(f"{key} must be true or false, got {value}.")
    elif isinstance(default, int):
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(f"{key} must be a whole number such as {default}, got {value}.")
    elif isinstance(default, float) and not _is_number(value):
        raise InputError(f"{key} must be a number such as {default:g}, got {value}.")
    elif isinstance(default, str) and isinstance(value, dict | list) and "${" not in default:
        raise InputError(f"{key} must be a word such as {default}, got {value}.")
    if isinstance(value, float) and isinstance(default, int | float) and not math.isfinite(value):
        raise InputError(f"{key} must be a finite number such as {default:g}, got {value}.")


def check_removed(overrides: Iterable[str]) -> None:
    """Check that no setting that every run needs was removed.

    `~unlabelled` takes back the second corpus of an experiment; Hydra knows no `unlabelled=null`.

    Args:
        overrides: Overrides of the command line, key=value or ~key.

    Raises:
        InputError: If one was.
    """
    for override in overrides:
        key = override.partition("=")[0].removeprefix("~")
        of_hydra = key.rpartition(".")[2] in ("_target_", "_partial_")
        if override == "~unlabelled":
            continue
        if override.startswith("~") and ("." not in key or key.startswith("data.") or of_hydra):
            raise InputError(f"{override} removes a setting that every run needs; leave it out.")


def check_use(method: Mapping[str, Any], overrides: Iterable[str]) -> None:
    """Check that a method takes the parts, such as views, that the command line asks for.

    Args:
        method: Settings of the method; those that take one of them name it.
        overrides: Overrides of the command line, key=value.

    Raises:
        InputError: If a choice would be without effect.
    """
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~").rpartition("@")[2]
        part = key.partition(".")[0]
        if part in _TAKEN_BY and part not in method and override not in _NOTHING:
            raise InputError(f"{override} has no effect on this method; {_TAKEN_BY[part]}.")


def check_corpus_files(settings: Mapping[str, Any], overrides: Iterable[str]) -> None:
    """Check that a corpus reads the files that the command line names.

    Without this, `data.root=/my/audio` alone would train on the embedded corpus.

    Args:
        settings: Settings of the run, plain values.
        overrides: Overrides of the command line, key=value.

    Raises:
        InputError: If a corpus that is made by rule would leave them unread.
    """
    corpora = [settings["dataset"], settings.get("unlabelled") or {}]
    read = [value for corpus in corpora for _, value in paths_in(corpus)]
    for override in overrides:
        key, _, typed = override.lstrip("+").partition("=")
        if key not in ("data.root", "data.labels"):
            continue
        wanted = settings["data"][key.removeprefix("data.")]
        if wanted is not None and not any(_names_file(value, wanted) for value in read):
            raise InputError(
                f"{key}={typed} has no effect on this corpus, which does not read it; choose the "
                "one that does, such as dataset=audio_folder for recordings of your own."
            )


def _names_file(value: Any, wanted: Any) -> bool:
    """Whether a setting of a corpus is the wanted path, or holds it."""
    is_made_of_it = isinstance(value, str) and isinstance(wanted, str) and wanted in value
    return bool(value == wanted) or is_made_of_it


def check_parts(error: BaseException | None, settings: Mapping[str, Any], choices: Any) -> None:
    """Check whether a part was called with a setting that it does not know.

    Experiments and methods have settings for the parts that they choose. These settings stay if the
    user chooses another part.

    Args:
        error: What was raised by the call; nothing happens unless it is such a TypeError.
        settings: Settings of the run, plain values.
        choices: Hydra's, from a group to the option that was chosen.

    Raises:
        InputError: If the settings are to blame.
    """
    refused = re.match(
        r"(?:\w+\.)*?(\w+?)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'",
        str(error),
    )
    if not isinstance(error, TypeError) or refused is None:
        return
    called, setting = refused.groups()
    nodes = {place: node for place, node in paths_in(settings) if isinstance(node, dict)}
    for place in sorted(nodes, key=lambda name: name.count(".")):  # encoder before method.encoder
        node = nodes[place]
        if setting in node and "_target_" in node and called in _names(node["_target_"]):
            part = f"{place}={choices[place]}" if choices.get(place) else node["_target_"]
            method, fitting = _wanted_by_method(place, setting, choices)
            if fitting:
                raise InputError(
                    f"{place}.{setting}, which {method} sets, is no setting of {part}; choose "
                    f"{' or '.join(fitting)}, or another method."
                ) from error
            raise InputError(
                f"{place}.{setting} is no setting of {part}; leave it out with ~{place}.{setting}, "
                "or choose what it was meant for."
            ) from error


def _wanted_by_method(place: str, setting: str, choices: Any) -> tuple[str, list[str]]:
    """Return the method, and the corpora that have what it sets of the corpus, if that is at fault.

    A method that sets an option of the corpus learns from what the option is about.
    """
    method = f"method={choices.get('method')}"
    having = choices_with(f"{place}.{setting}", conf_folder()) if place == "dataset" else []
    fitting = [choice for choice in having if choice.startswith("dataset=")]
    return method, fitting if method in having else []


def _names(target: str) -> list[str]:
    """Return the names that an error may give a target: its own, or those of its bases too."""
    called = get_object(target)
    family = called.__mro__ if isinstance(called, type) else (called,)
    return [member.__name__ for member in family]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
