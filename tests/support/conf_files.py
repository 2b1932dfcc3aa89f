"""Configuration files that are read once in a process, however often they are composed.

Hydra reads and parses the same thirty files for each configuration that it composes, and the tests
compose a thousand: that was more than a third of their time.
"""

import pickle
from pathlib import Path
from typing import Any

from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource

_FILE, _OF_A_PACKAGE = "file", "pkg"
_read = ConfigRepository.load_config
_kept: dict[tuple[Any, ...], bytes] = {}


def read_once() -> None:
    """Let Hydra keep what it has read in this process; a file that changes is read again."""
    ConfigRepository.load_config = _load_config


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
