"""The teacher that the command line names, for methods that learn from one."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from musicssl.data.corpus import Corpus, Dataset
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs, check_teacher
from musicssl.datasets.formats.embeddings_file import check_embeddings_file
from musicssl.errors import InputError
from musicssl.runs.checkpoint import Checkpoint, check_checkpoint_file
from musicssl.runs.teachers import FILES, Extraction, Kind, read_teacher, teacher_in
from musicssl.runs.trust import homes


def named_teacher(settings: dict[str, Any], needs: Needs) -> tuple[Path, Kind] | None:
    """Return the file that teaches a run, which is there, and what it gives; None without one.

    Args:
        settings: Settings of the run, plain values.
        needs: Needs of the method.

    Raises:
        InputError: If the method learns from no teacher, needs one, or the file is not there.
    """
    named = teacher_in(settings)
    if named is None:
        check_teacher(needs, None)
        return None
    path, kind = named
    if not needs.teacher:
        key = "finetune.teacher" if kind == "logits" else "teacher_embeddings"
        raise InputError(
            f"{key}={path} has no effect on this method; method=east, distill and noisy_student "
            "learn from a teacher."
        )
    if path.suffix in FILES:
        check_embeddings_file(path)
    else:
        check_checkpoint_file(path)
    return named


def add_teacher(
    config: DictConfig, settings: dict[str, Any], datamodule: SemiSupervisedDataModule, needs: Needs
) -> None:
    """Add the outputs of the teacher of a run to the data module.

    Args:
        config: Configuration of the run.
        settings: The same, plain values.
        datamodule: Data module whose corpus was read.
        needs: Needs of the method.

    Raises:
        InputError: If the method learns from no teacher, or the teacher does not fit the corpus.
    """
    named = named_teacher(settings, needs)
    if named is None:
        return
    path, kind = named
    on_gpu = torch.cuda.is_available() and config.trainer.accelerator != "cpu"
    trusted = homes(settings["method"])
    extraction = Extraction(
        load=partial(corpora, settings, datamodule, trusted),
        cache=Path(config.data.cache).expanduser(),
        batch_size=config.data.batch_size,
        device=torch.device("cuda" if on_gpu else "cpu"),
        trusted=trusted,
    )
    classes = datamodule.corpus.classes
    datamodule.add_teacher(read_teacher(path, kind, classes, extraction))


def corpora(
    settings: dict[str, Any],
    datamodule: SemiSupervisedDataModule,
    trusted: list[str],
    checkpoint: Checkpoint,
) -> list[Corpus]:
    """Return the corpora of a run with the features that a checkpoint was trained on."""
    features = checkpoint.corpus_parts("features", trusted)
    if features == settings["features"]:
        return datamodule.corpora
    heard = [settings[key] for key in ("dataset", "unlabelled") if settings.get(key) is not None]
    return [_read(node | {"features": features} if "features" in node else node) for node in heard]


def _read(settings: dict[str, Any]) -> Corpus:
    dataset: Dataset = instantiate(settings)
    dataset.prepare()
    return dataset.load()
