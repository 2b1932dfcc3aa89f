"""The weights of VGGish from a file of the user: torchvggish's, or the authors' as .npz.

Both have nine layers with the same numbers in other layouts. The parameters of the post-processing
are in a second file.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musicssl.errors import InputError
from musicssl.limits import DAMAGE

Arrays = Mapping[str, NDArray[np.float32]]

_UNREADABLE: tuple[type[Exception], ...] = (*DAMAGE, pickle.UnpicklingError)
# The layers in torchvggish, and in the authors' checkpoint.
_CONVOLUTIONS = {
    "features.0": "conv1",
    "features.3": "conv2",
    "features.6": "conv3/conv3_1",
    "features.8": "conv3/conv3_2",
    "features.11": "conv4/conv4_1",
    "features.13": "conv4/conv4_2",
}
_DENSE = {"embeddings.0": "fc1/fc1_1", "embeddings.2": "fc1/fc1_2", "embeddings.4": "fc2"}
_KEYS = (
    "features.N.weight and .bias, N = 0, 3, 6, 8, 11, 13, and embeddings.N, N = 0, 2, 4 "
    "(torchvggish), or vggish/conv1/weights and biases to vggish/fc2 (the authors)"
)
_PCA = ("pca_eigen_vectors", "pca_means")


def fill(encoder: nn.Module, path: Path | str) -> None:
    """Give an encoder the weights in a file.

    Args:
        encoder: A `VGGish`. Its spectra are (F, T), as everywhere here; both files have kernels for
            (T, F).
        path: .pth with a state of torchvggish, or .npz with the authors' variables by their names.

    Raises:
        InputError: If the file cannot be read, lacks a layer, or has one of another shape.
    """
    arrays = _read(path)
    of_authors = any(name.startswith("vggish/") for name in arrays)
    for ours, theirs in (_CONVOLUTIONS | _DENSE).items():
        layer = encoder.get_submodule(ours)
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        names = (f"{ours}.weight", f"{ours}.bias")
        if of_authors:
            names = (f"vggish/{theirs}/weights", f"vggish/{theirs}/biases")
        weight, bias = (_array(arrays, name, path, _KEYS) for name in names)
        if of_authors:  # (time, mel, in, out) or (in, out)
            weight = weight.transpose(range(weight.ndim)[::-1])  # (out, in, mel, time)
        elif weight.ndim == 4:  # (out, in, time, mel)
            weight = weight.transpose(0, 1, 3, 2)
        _copy(layer.weight, weight, names[0], path)
        _copy(layer.bias, bias, names[1], path)


def fill_pca(vectors: Tensor, means: Tensor, path: Path | str) -> None:
    """Read the parameters of the post-processing.

    Args:
        vectors: To fill: eigenvectors in rows, (D, D).
        means: To fill, (D,).
        path: The authors' vggish_pca_params.npz, or torchvggish's .pth.

    Raises:
        InputError: If the file cannot be read, or lacks one of them, or has another shape.
    """
    arrays = _read(path)
    for target, name in zip((vectors, means), _PCA, strict=True):
        values = _array(arrays, name, path, " and ".join(_PCA))
        if name == "pca_means":
            values = values.reshape(-1)  # torchvggish has a column
        _copy(target, values, name, path)


def _read(path: Path | str) -> Arrays:
    """Read the arrays of a file, by name.

    Raises:
        InputError: If it is missing, damaged, or holds anything but arrays.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(f"there is no file {path} of weights of VGGish; name one that exists.")
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as found:
                return {name: found[name] for name in found.files}
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=False)
        return {name: torch.as_tensor(value).float().numpy() for name, value in content.items()}
    except _UNREADABLE as error:
        raise InputError(
            f"{path} cannot be read as a file of arrays; it has to be .npz, or a .pth that holds "
            "tensors by name and nothing else."
        ) from error


def _array(arrays: Arrays, name: str, path: Path | str, wanted: str) -> NDArray[np.float32]:
    if name not in arrays:
        has = ", ".join(list(arrays)[:3]) or "nothing"
        raise InputError(f"{path} has no {name}; it needs {wanted}, and has {has}.")
    return arrays[name]


def _copy(target: Tensor | None, values: NDArray[np.float32], name: str, path: Path | str) -> None:
    assert target is not None
    if tuple(target.shape) != values.shape:
        raise InputError(
            f"{path} has {name} of another shape than VGGish: as it is used here it would be "
            f"{values.shape} and not {tuple(target.shape)}."
        )
    with torch.no_grad():
        target.copy_(torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)))
