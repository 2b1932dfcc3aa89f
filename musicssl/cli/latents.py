"""`musicssl latents`: measures and pictures of the latent space of a trained method."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicssl.errors import InputError, check_output, printable, user_errors

if TYPE_CHECKING:
    from musicssl.data.datamodule import SemiSupervisedDataModule
    from musicssl.evaluation.latents.estimators import Estimator
    from musicssl.runs.checkpoint import Checkpoint
    from musicssl.runs.latent_results import LatentResults

_EXAMPLES = """examples:
  musicssl latents best.ckpt
  musicssl latents runs/ar_vae/dmelodies/p1_b1_s0 --split val --out latents/
  musicssl latents best.ckpt --estimator histogram      numbers as in disentanglement_lib

docs/latents.md explains the measures."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure how well latent dimensions and the attributes of a corpus belong to each other."""
    options = _parser().parse_args(argv)
    with user_errors():
        _measure(options)


def _measure(options: argparse.Namespace) -> None:
    """Encode clips, measure, walk along dimensions, write and show."""
    import torch
    from rich.console import Console

    from musicssl.cli.devices import device_named
    from musicssl.data.melodies import Melodies
    from musicssl.evaluation.latents.measures import measure_latents
    from musicssl.methods.base.latent import LatentSpace
    from musicssl.methods.generative.summary import ClipSummary
    from musicssl.runs.checkpoint import Checkpoint
    from musicssl.runs.latent_results import LatentResults, write_latents
    from musicssl.runs.latent_space import encode, walks

    _check(options)
    if options.out is not None:
        check_output(options.out, "--out", is_folder=True)
    estimator = _estimator(options)
    if options.threads is not None:
        torch.set_num_threads(max(1, options.threads))
    place = options.checkpoint.expanduser()
    checkpoint = Checkpoint.read(place / "checkpoints" / "best.ckpt" if place.is_dir() else place)
    method = checkpoint.method(options.trusted)
    if not isinstance(method, LatentSpace):
        raise _without_latents(checkpoint)
    method.to(device_named(options.device))
    datamodule = _datamodule(checkpoint, options)
    clips = encode(method, datamodule, options.split, options.clips)
    dimensions = tuple(method.attribute_dimensions)
    measures = measure_latents(
        clips.z, clips.y, clips.mask, dimensions=dimensions, estimator=estimator
    )
    dataset = datamodule.dataset
    attributes = dataset.attributes_of if isinstance(dataset, Melodies) else None
    found = walks(method, clips.z, measures.dimensions, options.steps, attributes)
    made_of = {
        "checkpoint": checkpoint.digest,
        "method": checkpoint.setting("name"),
        "corpus": datamodule.corpus.name,
        "split": options.split,
        "estimator_settings": dict(vars(estimator)),
    }
    results = LatentResults(datamodule.corpus.classes, clips, measures, found, made_of)
    summary = next((part for part in method.modules() if isinstance(part, ClipSummary)), None)
    folder = _folder(checkpoint, options)
    write_latents(folder, results, datamodule, summary)
    _show(Console(), results, folder, options.split)


def _without_latents(checkpoint: "Checkpoint") -> InputError:
    name = checkpoint.setting("name")
    return InputError(
        f"{checkpoint.path} is of method={name}, which has no latent space with a decoder; choose "
        "a checkpoint of a variational autoencoder, such as method=m1 or method=vade."
    )


def _check(options: argparse.Namespace) -> None:
    """Check the numbers of the command line before anything is read.

    Raises:
        InputError: If there is one.
    """
    least = {"clips": 10, "steps": 3, "batch_size": 1}
    for name, number in least.items():
        if getattr(options, name) < number:
            raise InputError(
                f"--{name.replace('_', '-')} is {number} or more, not {getattr(options, name)}."
            )


def _estimator(options: argparse.Namespace) -> "Estimator":
    from musicssl.evaluation.latents.estimators import Histogram, Neighbours

    if options.estimator == "histogram":
        return Histogram(options.bins)
    return Neighbours(options.neighbours)


def _datamodule(
    checkpoint: "Checkpoint", options: argparse.Namespace
) -> "SemiSupervisedDataModule":
    """Return the corpus of the checkpoint, with its splits and all labels.

    Raises:
        InputError: If its settings name anything but parts of musicssl, or it cannot be read.
    """
    from hydra.utils import instantiate

    from musicssl.data.datamodule import SemiSupervisedDataModule

    settings: dict[str, Any] = dict(checkpoint.corpus_parts("dataset", options.trusted))
    for name in ("root", "cache"):
        place = getattr(options, name)
        if place is not None and name not in settings:
            raise InputError(f"the corpus of {checkpoint.path} has no {name}; leave --{name} out.")
        if place is not None:
            settings[name] = str(place)
    split = {name: checkpoint.setting(f"data.{name}") for name in ("val_fraction", "split_seed")}
    if "val_list" in checkpoint.setting("data"):  # not in runs of earlier versions
        split["val_list"] = checkpoint.setting("data.val_list")
    datamodule = SemiSupervisedDataModule(
        instantiate(settings), batch_size=options.batch_size, **split
    )
    datamodule.prepare_data()
    return datamodule


def _folder(checkpoint: "Checkpoint", options: argparse.Namespace) -> Path:
    """Return the folder to write to: what was typed, or latents/ in the run or beside the file."""
    from musicssl.runs.probes.folder import run_of

    if options.out is not None:
        chosen: Path = options.out
        return chosen
    run = run_of(checkpoint.path)
    return (checkpoint.path.parent if run is None else run) / "latents"


def _show(console: Any, results: "LatentResults", folder: Path, split: str) -> None:
    from musicssl.runs.latent_results import latents_table

    clips, found = results.clips, results.measures
    some = "" if len(clips.z) == clips.total else f" of {clips.total:,}"
    console.print(
        f"{len(clips.z):,}{some} {split} clips, {clips.z.shape[1]} latent dimensions; "
        f"mutual information by: {found.information.estimator}",
        highlight=False,
        markup=False,
    )
    console.print(latents_table(results))
    source = "the method regularises" if found.regularised else "tells most about the attribute"
    console.print(f"dim: the latent dimension that {source}.", highlight=False)
    place = printable(str(folder))
    console.print(f"Tables and pictures: {place}", markup=False, highlight=False, soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="musicssl latents",
        description=main.__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("checkpoint", type=Path, help="a checkpoint, or the folder of a run")
    add("--split", default="test", choices=("train", "val", "test"), help="default: test")
    add("--clips", type=int, default=10_000, help="clips at most; default: 10000")
    kinds = ("neighbours", "histogram")
    add("--estimator", default="neighbours", choices=kinds, help="of mutual information")
    add("--neighbours", type=int, default=3, metavar="K", help="of that estimator; default: 3")
    add("--bins", type=int, default=20, help="of a histogram; default: 20")
    add("--steps", type=int, default=11, help="places on a walk along a dimension; default: 11")
    add("--out", type=Path, help="folder to write to; by default latents/ in the run")
    add("--root", type=Path, help="where the corpus lies now, if it has moved")
    add("--cache", type=Path, help="folder of derived data")
    add("--batch-size", type=int, default=256, help="clips that are encoded at a time")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    add("--threads", type=int, help="CPU threads of torch; by default one per core")
    trusted = "module that your own parts come from; repeatable"
    add("--trusted", action="append", default=[], metavar="MODULE", help=trusted)
    return parser
