"""The data of a run: its data module, and hashes of all that the run is made from."""

from collections.abc import Callable
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from musicssl.cache import file_identity
from musicssl.cli.app import to_plain
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.runs.pretrained import weights_digest
from musicssl.runs.starting import start_identity
from musicssl.runs.teachers import teacher_in

_READ_ELSEWHERE = ("root", "labels", "cache", "labelled_clips")  # as ${data.root} and so on

Data = Callable[[], SemiSupervisedDataModule]


def load_data(config: DictConfig, build: Data) -> SemiSupervisedDataModule:
    """Build the data module and let it read its corpus.

    Args:
        config: Configuration of the run.
        build: Builds the data module.

    Raises:
        InputError: If clips to be corrupted are not sound, or a corruption is not possible.
    """
    datamodule = build()
    datamodule.prepare_data()
    datamodule.setup()
    if config.corruption is not None:
        check_corruptions(config, datamodule.corpus.sample_rate)
    return datamodule


def check_corruptions(config: DictConfig, sample_rate: int | None) -> None:
    """Check the corruptions that a run is tested under.

    Args:
        config: Configuration of the run.
        sample_rate: Sample rate of the sound, in Hz; None if the clips are not sound.

    Raises:
        InputError: If the clips are not sound, or a corruption is not possible.
    """
    from musicssl.runs.artifacts.robustness import chosen_corruptions, chosen_severities

    severities = chosen_severities(to_plain(config.severities))
    chosen_corruptions(to_plain(config.corruption), sample_rate, severities)


def build_datamodule(config: DictConfig) -> SemiSupervisedDataModule:
    """Build the data module that `data` describes, without reading its corpus."""
    node = config.data.copy()
    with open_dict(node):
        for key in _READ_ELSEWHERE:
            del node[key]
    datamodule: SemiSupervisedDataModule = instantiate(node)
    return datamodule


def made_from(
    config: DictConfig, datamodule: SemiSupervisedDataModule, start: str | None = None
) -> dict[str, str]:
    """Return hashes of all data that a run depends on, by name.

    Args:
        config: Configuration of the run.
        datamodule: Data module of the run.
        start: Hash of the checkpoint to start from, if it has been read; else it is read here.
    """
    parts = datamodule.identity()
    if config.finetune.checkpoint is not None:
        path = Path(config.finetune.checkpoint).expanduser()
        parts["weights to start from"] = start or start_identity(path)
    of_encoder = weights_digest(OmegaConf.to_container(config.method, resolve=True))
    if of_encoder is not None:
        parts["weights of the encoder"] = of_encoder
    teacher = teacher_in(to_plain(config))
    if teacher is not None:
        parts["teacher"] = file_identity(teacher[0])
    return parts
