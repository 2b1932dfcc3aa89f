"""The weights of the authors' musicnn taggers, from the files of the package musicnn 0.1.0.

The package does not have to be installed and is not imported: its trained models are in the folders
MTT_musicnn and MTT_vgg (trained on MagnaTagATune), MSD_musicnn and MSD_vgg (on the Million Song
Dataset), as TensorFlow checkpoints. Code and weights: https://github.com/jordipons/musicnn, ISC
licence.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from musicssl.encoders.pretrained.tensor_bundle import read_index, read_tensor
from musicssl.errors import InputError

_INSTALL = "pip install --no-deps musicnn==0.1.0"  # its requirements are of 2019
_INDEX, _DATA = ".index", ".data-00000-of-00001"
_EPS = 1e-3  # of TensorFlow's batch norm

Tensors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Published:
    """A trained model in the package.

    Attributes:
        folder: Name of its folder in the package.
        index: SHA-256 of its file of names.
        data: SHA-256 of its file of numbers.
    """

    folder: str
    index: str
    data: str


PUBLISHED = {
    "mtt": Published(
        "MTT_musicnn",
        "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
        "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
    ),
    "msd": Published(
        "MSD_musicnn",
        "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
        "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
    ),
}
PUBLISHED_VGG = {
    "mtt": Published(
        "MTT_vgg",
        "4b0d3d2d02bbe0919c063c1fb74bfa9018ac3517e362d681b07444d4207a5f5f",
        "458f5c8bcecc086a3bba3dce83809df6da6e0a3560a59ddd84711bf3d5fd8303",
    ),
    "msd": Published(
        "MSD_vgg",
        "50e499238457558bba9f34f8b84d4afb8279afd43520cdf0a4fdf805a49c9ca3",
        "9683d756b8311146534f333502ebf4a2a78a3e320c54ab0411dff6186d8375fc",
    ),
}


def check_fit(weights: str, needed: Mapping[str, int], **settings: int) -> None:
    """Refuse settings that the published models do not have.

    Args:
        weights: Their name.
        needed: The settings of the published models.
        settings: Settings of the encoder.

    Raises:
        InputError: If one is another.
    """
    for name, value in settings.items():
        if value != needed[name]:
            raise InputError(
                f"encoder.weights={weights} are for encoder.{name}={needed[name]}, got {value}; "
                "leave one of the two out."
            )


def read_weights(
    name: str, folder: Path | str | None = None, models: Mapping[str, Published] = PUBLISHED
) -> dict[str, NDArray[np.float32]]:
    """Read the variables of a published model by their names in TensorFlow.

    Those of the optimizer are left out.

    Args:
        name: "mtt" or "msd".
        folder: Folder that holds the folders of the models; None for the installed package.
        models: By their names.

    Raises:
        InputError: If there is no model of this name, or its files are missing or have changed.
    """
    if name not in models:
        raise InputError(
            f"encoder.weights={name}: there are no such weights of musicnn; choose "
            f"{' or '.join(models)}, or null to start without."
        )
    model = models[name]
    parent = _installed(name, model.folder) if folder is None else Path(folder).expanduser()
    place = parent / model.folder
    index = _checked(place / _INDEX, model.index)
    data = _checked(place / _DATA, model.data)
    return {
        key: read_tensor(entry, data)
        for key, entry in read_index(index).items()
        if "/Adam" not in key and "/" in key
    }


def fill(first_norm: nn.BatchNorm2d, blocks: Sequence[nn.Module], tensors: Tensors) -> None:
    """Give an encoder the front and mid end of a published model.

    In evaluation the encoder computes what the model does. Batch norms of TensorFlow add 1e-3 to a
    variance; the difference to the eps here is put into the stored variances. Gain and offset of
    the first batch norm, which the encoder has not, are put into its stored mean and variance: they
    hold only while these are used.

    Args:
        first_norm: Of the encoder, before all blocks.
        blocks: Blocks of front and mid end, the latter with 64 filters, in order.
        tensors: See `read_weights`.

    Raises:
        InputError: If one is missing or of another shape.
    """
    names = [_layer("conv2d", number) for number in range(len(blocks))]
    _fill_blocks(first_norm, zip(names, blocks, strict=True), tensors)


def fill_vgg(first_norm: nn.BatchNorm2d, blocks: Sequence[nn.Module], tensors: Tensors) -> None:
    """Give an encoder the convolutions of a published vgg model; see `fill`.

    Args:
        first_norm: Of the encoder, before all blocks.
        blocks: Blocks of the encoder, in order.
        tensors: See `read_weights`.

    Raises:
        InputError: If one is missing or of another shape.
    """
    names = [f"{number}CNN" for number in range(1, len(blocks) + 1)]
    _fill_blocks(first_norm, zip(names, blocks, strict=True), tensors)


def _fill_blocks(
    first_norm: nn.BatchNorm2d, blocks: Iterable[tuple[str, nn.Module]], tensors: Tensors
) -> None:
    """Fill the first batch norm, and the convolution and batch norm of each block in order."""
    _fill_first_norm(first_norm, tensors)
    for number, (layer, block) in enumerate(blocks):
        conv, norm = _conv_and_norm(block)
        kernel = _tensor(tensors, f"{layer}/kernel", 4)  # (time, mel or in, 1, out)
        weight = kernel.transpose(3, 2, 1, 0)  # (out, 1, mel or in, time)
        _copy(conv.weight, weight[:, 0] if isinstance(conv, nn.Conv1d) else weight)
        _copy(conv.bias, _tensor(tensors, f"{layer}/bias", 1))
        _fill_norm(norm, tensors, number + 1)


def _conv_and_norm(
    block: nn.Module,
) -> tuple[nn.Conv1d | nn.Conv2d, nn.BatchNorm1d | nn.BatchNorm2d]:
    parts = list(block.modules())
    [conv] = [part for part in parts if isinstance(part, nn.Conv1d | nn.Conv2d)]
    [norm] = [part for part in parts if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)]
    return conv, norm


def _installed(name: str, model: str) -> Path:
    """Return the folder of the installed package, which is found without being imported."""
    try:
        spec = find_spec("musicnn")
    except (ImportError, ValueError):  # a module of this name was put together by hand
        spec = None
    for folder in spec.submodule_search_locations or () if spec else ():
        if (Path(folder) / model).is_dir():
            return Path(folder)
    raise InputError(
        f"encoder.weights={name} needs the files of the package musicnn; install it with "
        f'"{_INSTALL}", or name the folder that holds {model}: '
        "encoder.weights_folder=/path."
    )


def _checked(path: Path, digest: str) -> bytes:
    """Return the content of a file that is known.

    Raises:
        InputError: If it is missing or another.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            content = file.read() if found == digest else None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read; name the folder of the package musicnn 0.1.0 in "
            f'encoder.weights_folder, or install it with "{_INSTALL}".'
        ) from error
    if content is None or hashlib.sha256(content).hexdigest() != digest:
        raise InputError(
            f"{path} is not the file of musicnn 0.1.0, its SHA-256 differs; install it again with "
            f'"{_INSTALL}".'
        )
    return content


def _fill_first_norm(norm: nn.BatchNorm2d, tensors: Tensors) -> None:
    """Put gain and offset into the statistics: (x - mean') / sd' with sd' = sd / gain."""
    gamma, beta, mean, variance = _norm(tensors, 0)
    if not (gamma > 0).all():
        raise InputError("the first batch norm has no positive gain, so it has no equal here.")
    sd = np.sqrt(variance + _EPS) / gamma
    _copy(norm.running_mean, mean - beta * sd)
    _copy(norm.running_var, sd**2 - norm.eps)


def _fill_norm(norm: nn.BatchNorm1d | nn.BatchNorm2d, tensors: Tensors, number: int) -> None:
    gamma, beta, mean, variance = _norm(tensors, number)
    _copy(norm.weight, gamma)
    _copy(norm.bias, beta)
    _copy(norm.running_mean, mean)
    _copy(norm.running_var, variance + _EPS - norm.eps)


def _norm(tensors: Tensors, number: int) -> list[NDArray[np.float64]]:
    """Return gain, offset, mean and variance of a batch norm."""
    layer = _layer("batch_normalization", number)
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    return [_tensor(tensors, f"{layer}/{name}", 1).astype(np.float64) for name in names]


def _layer(kind: str, number: int) -> str:
    """Return TensorFlow's name of a layer: the first of a kind has no number."""
    return f"{kind}_{number}" if number else kind


def _tensor(tensors: Tensors, name: str, ndim: int) -> NDArray[np.float32]:
    if name not in tensors or tensors[name].ndim != ndim:
        raise InputError(f"the checkpoint of musicnn has no {name} of {ndim} dimensions.")
    return tensors[name]


def _copy(target: torch.Tensor | None, values: NDArray[np.floating]) -> None:
    assert target is not None
    if tuple(target.shape) != values.shape:
        raise InputError(
            f"the checkpoint of musicnn has a tensor of shape {values.shape} where the encoder has "
            f"{tuple(target.shape)}."
        )
    with torch.no_grad():
        target.copy_(torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)))
