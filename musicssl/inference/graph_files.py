"""Graphs on disk: what torch.export and ONNX runtimes read without musicssl."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from musicssl.errors import InputError
from musicssl.inference.graph import SoundToScores, dynamic_shapes, example_of

ONNX, TORCH_EXPORT = "model.onnx", "model.pt2"
_INPUT, _OUTPUTS = "sound", ["scores", "timeline"]


def write_torch_export(path: Path, graph: SoundToScores) -> None:
    """Write the graph as torch.export.save does; torch.export.load reads it.

    Raises:
        InputError: If the network cannot be traced for clips of any length.
    """
    program = _traced(lambda: _program(graph), graph)
    with _quiet():
        torch.export.save(program, path)


def write_onnx(path: Path, graph: SoundToScores) -> None:
    """Write the graph as one ONNX file: input sound (B, S), outputs scores and timeline.

    Raises:
        InputError: If the network cannot be traced for clips of any length.
    """

    def convert() -> Any:
        return torch.onnx.export(
            _program(graph),
            dynamo=True,
            verbose=False,
            input_names=[_INPUT],
            output_names=_OUTPUTS,
        )

    converted = _traced(convert, graph)
    converted.save(str(path), external_data=False)


def _program(graph: SoundToScores) -> Any:
    shapes = dynamic_shapes(graph)
    return torch.export.export(graph.eval(), (example_of(graph),), dynamic_shapes=shapes)


def _traced(trace: Callable[[], Any], graph: SoundToScores) -> Any:
    encoder = type(graph.embedding.encoder).__name__
    try:
        with _quiet():
            return trace()
    except ModuleNotFoundError:
        raise
    except Exception as error:  # the tracer raises whatever it stumbles over in a network
        raise InputError(
            f"the encoder {encoder} cannot be written as a graph for clips of any length, as those "
            "that are recurrent over instances cannot; export without --onnx and --torch-export."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the messages of torch while it traces."""
    names = ("torch", "torch.onnx", "onnxscript", "torch.export")
    before = [logging.getLogger(name).level for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for name, level in zip(names, before, strict=True):
                logging.getLogger(name).setLevel(level)
