"""Oracle: a forward pass in NumPy on the authors' variables, in their layout."""

import numpy as np
import pytest
import torch

from musicssl.encoders import vggish
from musicssl.encoders.pretrained.vggish import fill, fill_pca
from musicssl.encoders.vggish import VGGish
from musicssl.errors import InputError

LAYERS = ["conv1", "conv2", "conv3/conv3_1", "conv3/conv3_2", "conv4/conv4_1", "conv4/conv4_2"]
DENSE = ["fc1/fc1_1", "fc1/fc1_2", "fc2"]
WIDTHS = (1, 3, 4, 4, 5, 5, 6)
POOLED = ("conv1", "conv2", "conv3/conv3_2", "conv4/conv4_2")
NUMBERS = (0, 3, 6, 8, 11, 13)  # of the same layers in torchvggish


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Fewer filters and units, in the same layers."""
    monkeypatch.setattr(vggish, "_FILTERS", ((3,), (4,), (4, 5), (5, 6)))
    monkeypatch.setattr(vggish, "_HIDDEN", 16)


@pytest.fixture
def variables():
    rng = np.random.default_rng(0)
    found = {}
    for name, i, o in zip(LAYERS, WIDTHS[:-1], WIDTHS[1:], strict=True):
        found[f"vggish/{name}/weights"] = rng.normal(0, 0.4, (3, 3, i, o))
        found[f"vggish/{name}/biases"] = rng.normal(0, 0.1, o)
    for name, i, o in zip(DENSE, (6 * 4 * 6, 16, 16), (16, 16, 128), strict=True):
        found[f"vggish/{name}/weights"] = rng.normal(0, 0.2, (i, o))
        found[f"vggish/{name}/biases"] = rng.normal(0, 0.1, o)
    return {name: values.astype(np.float32) for name, values in found.items()}


def of_torchvggish(variables):
    """The same numbers by the names and in the layout of torchvggish."""
    state = {}
    for number, name in zip(NUMBERS, LAYERS, strict=True):
        kernel = variables[f"vggish/{name}/weights"]
        state[f"features.{number}.weight"] = np.moveaxis(kernel, (3, 2), (0, 1))
        state[f"features.{number}.bias"] = variables[f"vggish/{name}/biases"]
    for number, name in zip((0, 2, 4), DENSE, strict=True):
        state[f"embeddings.{number}.weight"] = variables[f"vggish/{name}/weights"].T
        state[f"embeddings.{number}.bias"] = variables[f"vggish/{name}/biases"]
    return {name: torch.from_numpy(values.copy()) for name, values in state.items()}


def theirs(variables, patch):
    """Embed a patch, (96, 64) -> (128,), in double precision."""
    x = patch[..., None].astype(np.float64)  # (time, mel, channels)
    for name in LAYERS:
        kernel = variables[f"vggish/{name}/weights"].astype(np.float64)
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        total = np.zeros((*x.shape[:2], kernel.shape[3])) + variables[f"vggish/{name}/biases"]
        for time in range(3):
            for band in range(3):
                seen = padded[time : time + x.shape[0], band : band + x.shape[1]]
                total += seen @ kernel[time, band]
        x = np.maximum(total, 0)
        if name in POOLED:
            x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max(axis=(1, 3))
    x = x.reshape(-1)
    for name in DENSE:
        weights, biases = (variables[f"vggish/{name}/{part}"] for part in ("weights", "biases"))
        x = np.maximum(x @ weights + biases, 0)
    return x


@pytest.mark.parametrize("kind", ["authors", "torchvggish"])
def test_both_files_give_what_the_authors_compute(tmp_path, variables, kind):
    if kind == "authors":
        file = tmp_path / "vggish.npz"
        np.savez(file, **variables, global_step=np.zeros(1))
    else:
        file = tmp_path / "vggish.pth"
        torch.save(of_torchvggish(variables), file)
    encoder = VGGish(weights=file).eval()
    sound = 0.2 * torch.randn(1, 15_600, generator=torch.Generator().manual_seed(0))
    patch = encoder.frontend(sound)[0].T.numpy()
    with torch.no_grad():
        found = encoder.embed(sound)[0, 0].numpy()
    expected = theirs(variables, patch)
    assert (expected > 0).sum() > 20
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_the_projection_is_read_from_both_kinds_of_files(tmp_path):
    rng = np.random.default_rng(0)
    vectors, means = rng.normal(size=(128, 128)), rng.normal(size=128)
    np.savez(tmp_path / "a.npz", pca_eigen_vectors=vectors, pca_means=means)
    parts = {"pca_eigen_vectors": vectors, "pca_means": means[:, None]}
    torch.save({k: torch.from_numpy(v) for k, v in parts.items()}, tmp_path / "b.pth")
    for name in ("a.npz", "b.pth"):
        read = torch.zeros(128, 128), torch.zeros(128)
        fill_pca(*read, tmp_path / name)
        np.testing.assert_allclose(read[0], vectors, rtol=1e-6)
        np.testing.assert_allclose(read[1], means, rtol=1e-6)


class Anything:
    pass


def test_files_that_are_others_are_refused_in_a_sentence(tmp_path, variables):
    file = tmp_path / "v.npz"

    def refused(said, **changes):
        kept = {k: v for k, v in (variables | changes).items() if v is not None}
        np.savez(file, **kept)
        with pytest.raises(InputError, match=said):
            fill(VGGish(), file)

    refused(r"has no vggish/fc2/biases; it needs features\.N", **{"vggish/fc2/biases": None})
    refused(
        r"vggish/conv2/weights of another shape .*\(5, 3, 3, 3\) and not \(4, 3, 3, 3\)",
        **{"vggish/conv2/weights": np.zeros((3, 3, 3, 5))},
    )
    np.savez(file, layer=np.zeros(3))
    with pytest.raises(InputError, match=r"has no features\.0\.weight.*and has layer"):
        fill(VGGish(), file)
    with pytest.raises(InputError, match=r"there is no file none\.pth"):
        fill(VGGish(), "none.pth")
    for name in ("torn.npz", "torn.pth"):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(InputError, match="cannot be read as a file of arrays"):
            fill(VGGish(), tmp_path / name)
    torch.save(Anything(), tmp_path / "code.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"state": {"a": 1}}, tmp_path / "nested.pth")
    np.savez(tmp_path / "objects.npz", a=np.array([Anything()]))
    for name in ("code.pth", "list.pth", "nested.pth", "objects.npz"):
        with pytest.raises(InputError, match="cannot be read as a file of arrays"):
            fill(VGGish(), tmp_path / name)
    np.savez(file, pca_means=np.zeros(128))
    with pytest.raises(InputError, match="has no pca_eigen_vectors"):
        fill_pca(torch.zeros(128, 128), torch.zeros(128), file)
