"""`musicssl.load`: a trained network from a checkpoint or an exported folder."""

from collections.abc import Sequence
from pathlib import Path

from musicssl.errors import InputError
from musicssl.inference.checkpoints import Which, read_network
from musicssl.inference.description import Description
from musicssl.inference.exported import CONFIG, read_exported
from musicssl.inference.model import Model


def load(
    path: Path | str,
    device: str = "cpu",
    trusted: Sequence[str] = (),
    which: Which = "best",
) -> Model:
    """Load a trained network to predict with.

    Nothing in the file is executed. Neither Hydra nor Lightning is imported, except for checkpoints
    of methods that build their network themselves, such as dgm.

    Args:
        path: Path of a checkpoint, the folder of a run, or a folder that `musicssl export` wrote.
        device: "cpu", "cuda" or one of several GPUs such as "cuda:1".
        trusted: Further packages or modules that its parts may come from, such as your own
            "mylab.encoders".
        which: "best": the network that the run was tested with, such as the teacher; "student":
            the one that was trained by gradient descent. An exported folder has one network.

    Raises:
        InputError: If there is nothing of that kind, or it is damaged.
    """
    return Model(describe(path, trusted, which), device, trusted)


def describe(path: Path | str, trusted: Sequence[str] = (), which: Which = "best") -> Description:
    """Read what `load` builds.

    Raises:
        InputError: See `load`.
    """
    path = Path(path).expanduser()
    if (path / CONFIG).is_file():
        return read_exported(path)
    if path.is_dir():
        best = path / "checkpoints" / "best.ckpt"
        if not best.is_file():
            raise InputError(
                f"{path} holds neither {CONFIG} of an export nor checkpoints/best.ckpt of a run; "
                "name the file or folder of a model."
            )
        path = best
    return read_network(path, trusted, which)
