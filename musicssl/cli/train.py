"""Train a classifier of music from few labels and a lot of audio: `musicssl train --help`."""

from typing import Any

import hydra
from omegaconf import DictConfig

import musicssl.cli.resolvers  # noqa: F401 registers the resolvers of conf/
from musicssl.cli.command import run_command
from musicssl.cli.conf import conf_folder
from musicssl.cli.imports import quick_imports


def main() -> None:
    """Run the command line of `musicssl train` and of `train.py`."""
    run_command("train", compose_and_run)


@hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="train")
def compose_and_run(config: DictConfig) -> Any:
    """Do one job; Hydra has composed its configuration."""
    with quick_imports():
        from musicssl.cli.training import train  # imports torch, which --help does not need

    return train(config)
