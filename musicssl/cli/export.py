"""`musicssl export`: a trained network as a folder that others can use."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from musicssl.errors import InputError, printable, user_errors

if TYPE_CHECKING:
    from musicssl.inference.model import Model

_NOT_STATED = "not stated"


def main(argv: Sequence[str] | None = None) -> None:
    """Write a trained network as weights (safetensors), config.json and a model card."""
    options = _parser().parse_args(argv)
    with user_errors():
        _export(options)


def _export(options: argparse.Namespace) -> None:
    from musicssl.inference.card import model_card
    from musicssl.inference.checkpoints import Which
    from musicssl.inference.exported import write_exported
    from musicssl.inference.loading import describe
    from musicssl.inference.model import Model
    from musicssl.runs.pretrained import hear_module

    folder: Path = options.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; name a new folder to export to.")
    which: Which = "student" if options.student else "best"
    description = describe(options.model, options.trusted, which)
    module = hear_module(description.encoder)
    if module is not None:
        raise InputError(
            f"the encoder of {options.model} is the HEAR module {module}, whose weights an export "
            "does not hold; give others the checkpoint, and name them the module and its weights."
        )
    model = Model(description, "cpu", options.trusted)  # refuses what cannot be built again
    card = model_card(description, _run_of(options.model), options.licence)

    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        part = Path(temporary) / "model"  # the export is there whole or not at all
        write_exported(part, description, card)
        if options.onnx or options.torch_export:
            _write_graphs(part, model, options)
        part.rename(folder)
    print(f"Exported a model of {len(model.classes)} classes to {printable(str(folder))}")


def _write_graphs(folder: Path, model: "Model", options: argparse.Namespace) -> None:
    from musicssl.inference.exported import add_part
    from musicssl.inference.graph import SoundToScores
    from musicssl.inference.graph_files import ONNX, TORCH_EXPORT, write_onnx, write_torch_export

    graph = SoundToScores(model)
    if options.onnx:
        write_onnx(folder / ONNX, graph)
        add_part(folder, ONNX)
    if options.torch_export:
        write_torch_export(folder / TORCH_EXPORT, graph)
        add_part(folder, TORCH_EXPORT)


def _run_of(model: Path) -> Path | None:
    """Return the folder of the run that a checkpoint, or its folder, belongs to."""
    run = model if model.is_dir() else model.resolve().parent.parent
    return run if (run / "metrics.json").is_file() else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="musicssl export", description=main.__doc__)
    add = parser.add_argument
    add("model", type=Path, help="a checkpoint, or the folder of a run")
    add("folder", type=Path, help="new folder to write to")
    add("--onnx", action="store_true", help="model.onnx too: sound in, scores out")
    add("--torch-export", action="store_true", help="model.pt2 too, for torch.export.load")
    add("--licence", default=_NOT_STATED, help="of the weights, for the model card")
    add("--student", action="store_true", help="the network trained by gradient descent")
    trusted = "module that your own parts come from; repeatable"
    add("--trusted", action="append", default=[], metavar="MODULE", help=trusted)
    return parser
