"""Configurations that are composed in half the time, for the tests compose a thousand of them.

Hydra reads and parses the same thirty files for each, and prepares for each of these files to fill
in choices that its list of defaults may refer to.
"""

import pickle
from pathlib import Path
from typing import Any

from hydra._internal import defaults_list
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.defaults_list import Overrides
from hydra.core.default_element import InputDefault
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf

_FILE, _OF_A_PACKAGE = "file", "pkg"
_read = ConfigRepository.load_config
_all_choices = defaults_list._create_interpolation_map
_kept: dict[tuple[Any, ...], bytes] = {}


def compose_quickly() -> None:
    """Let Hydra keep what it has read in this process; a file that changes is read again."""
    ConfigRepository.load_config = _load_config
    defaults_list._create_interpolation_map = _choices


def _choices(overrides: Overrides, defaults: list[InputDefault], self_added: bool) -> DictConfig:
    """Do as `_create_interpolation_map` does, where a default refers to a choice."""
    if any(not one.is_self() and one.is_interpolation() for one in defaults):
        return _all_choices(overrides, defaults, self_added)
    return OmegaConf.create()


def _load_config(repository: ConfigRepository, config_path: str) -> ConfigResult | None:
    """Do as `ConfigRepository.load_config` does; give each caller a copy, which it may change."""
    source = repository._find_object_source(config_path, ObjectType.CONFIG)
    if source is None or source.scheme() not in (_FILE, _OF_A_PACKAGE):
        return _read(repository, config_path)
    key = (source.provider, source.path, config_path, *_state(source, config_path))
    if key not in _kept:
        _kept[key] = pickle.dumps(_read(repository, config_path))
    return pickle.loads(_kept[key])


def _state(source: ConfigSource, config_path: str) -> tuple[int, ...]:
    """Return what changes with a file; those of Hydra's own package stay as they are."""
    if source.scheme() == _OF_A_PACKAGE:
        return ()
    found = Path(source.path, f"{config_path.removesuffix('.yaml')}.yaml").stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
