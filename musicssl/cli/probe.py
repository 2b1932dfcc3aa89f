"""Evaluate a checkpoint's embeddings with probes: `musicssl probe --help`."""

import sys
from typing import Any

import hydra
from omegaconf import DictConfig

import musicssl.cli.resolvers  # noqa: F401 registers the resolvers of conf/
from musicssl.cli.command import run_command
from musicssl.cli.conf import conf_folder
from musicssl.cli.imports import quick_imports


def main() -> None:
    """Run the command line of `musicssl probe` and of `probe.py`."""
    sys.argv[1:] = map(as_hydra_takes_it, sys.argv[1:])
    run_command("probe", compose_and_run)


def as_hydra_takes_it(word: str) -> str:
    """Return a word of the command line; `embeddings=[a.npz,b.npz]` sets the files of the section.

    Hydra lets a value take the place of a section, but no list.

    >>> as_hydra_takes_it("embeddings=[a.npz,b.npz]"), as_hydra_takes_it("embeddings=a.npz")
    ('embeddings.file=[a.npz,b.npz]', 'embeddings=a.npz')
    """
    section = "embeddings="
    is_list = word.startswith(f"{section}[")
    return f"embeddings.file={word.removeprefix(section)}" if is_list else word


@hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="probe")
def compose_and_run(config: DictConfig) -> Any:
    """Do one job; Hydra has composed its configuration."""
    with quick_imports():
        from musicssl.cli.probing import probe  # imports torch, which --help does not need

    return probe(config)
