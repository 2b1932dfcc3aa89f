"""Where the configuration files are: `conf/` of a checkout, `musicssl/conf/` of a wheel."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

import musicssl
from musicssl.errors import InputError

_PACKAGE = Path(musicssl.__file__).resolve().parent


def conf_folder() -> Path:
    """Return the folder of the configuration files.

    Raises:
        InputError: If the installation lacks it.
    """
    for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise InputError(
        f"musicssl in {_PACKAGE} has no configuration files; install it again with pip."
    )


@contextmanager
def config_loader(conf: Path | None = None) -> Iterator[ConfigLoader]:
    """Give Hydra's loader, and let `hydra.compose` work within a command and outside of one.

    Args:
        conf: The folder of the configuration files, outside of a command; None for musicssl's.
    """
    hydra = GlobalHydra.instance()
    if hydra.is_initialized():
        yield hydra.config_loader()
        return
    folder = conf_folder() if conf is None else conf.absolute()
    with initialize_config_dir(str(folder), version_base="1.3"):
        yield hydra.config_loader()


def composed(command: str, *choices: str, conf: Path | None = None) -> DictConfig:
    """Compose a command's configuration with some choices, nothing else typed; leave it as it is.

    The folder of a run and the kinds of its values are both found by comparison with it, and
    composing takes an eighth of a second. So each is composed once in a process.

    Args:
        command: Name of the root configuration: "train" or "probe".
        choices: Overrides such as `method=dgm`; their order does not matter.
        conf: See `config_loader`.
    """
    with config_loader(conf) as loader:
        sources = tuple(str(source.path) for source in loader.get_search_path().get_path())
        return _composed(command, tuple(sorted(choices)), sources)


@lru_cache(maxsize=64)
def _composed(command: str, choices: tuple[str, ...], _sources: tuple[str, ...]) -> DictConfig:
    return compose(command, list(choices), return_hydra_config=True)
