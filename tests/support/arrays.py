"""Arrays of a .npz, read at once."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def arrays_in(path: Path | str) -> dict[str, NDArray[Any]]:
    """Read all arrays and close the file.

    A file that a test leaves open warns when it is collected, which may be in another test.
    """
    with np.load(path, allow_pickle=False) as file:
        return dict(file)
