"""Where the configuration files are: `conf/` of a checkout, `musicssl/conf/` of a wheel."""

from pathlib import Path

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
