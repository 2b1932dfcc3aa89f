"""train.py and probe.py as tests start them: composed in this process, or in one of their own."""

import subprocess
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

import musicssl.cli.resolvers  # noqa: F401 registers the resolvers of conf/
from tests.support import preloaded
from tests.support.preloaded import ROOT

SEARCH_PATH = f"hydra.searchpath=[file://{ROOT}/tests/conf]"


def composed(root: str, folder: Path, *overrides: str) -> DictConfig:
    """Compose the configuration of a command for a folder of our choice."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose(root, [*overrides], return_hydra_config=True)
    config.hydra.runtime.output_dir = str(folder)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return config


def shell(
    folder: Path, *arguments: str, script: str = "train.py"
) -> subprocess.CompletedProcess[str]:
    return preloaded.run(str(ROOT / script), *arguments, cwd=folder)
