"""Where FMA is published: an archive for each subset and one for its tables.

They are zip files compressed by bzip2, which some programs cannot unpack; Python can.
"""

from collections.abc import Mapping
from pathlib import Path

from musicssl.download import Archive, fetch_unpacked
from musicssl.errors import InputError

_HOST = "https://os.unil.cloud.switch.ch/fma"
ARCHIVES = {
    name: Archive(f"{_HOST}/fma_{name}.zip", f"sha1:{digest}")
    for name, digest in (
        ("metadata", "f0df49ffe5f2a6008d7dc83c6915b31835dfe733"),
        ("small", "ade154f733639d52e35e32f5593efe5be76c6d70"),
        ("medium", "c67b69ea232021025fca9231fc1c7c1a063ab50b"),
        ("large", "497109f4dd721066b5ce5e5f250ec604dc78939e"),
        ("full", "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab"),
    )
}
"""0.3, 7.2, 22, 93 and 879 GiB."""


def download(root: Path, subset: str = "small", archives: Mapping[str, Archive] = ARCHIVES) -> None:
    """Get the tables and one subset as `root/fma_metadata` and `root/fma_SUBSET`, if not there.

    Raises:
        InputError: If the subset is unknown, and as `musicssl.download.fetch_unpacked`.
    """
    subsets = [name for name in archives if name != "metadata"]
    if subset not in subsets:
        raise InputError(f"the subset of fma is {', '.join(subsets)}, not {subset!r}.")
    for name in ("metadata", subset):
        fetch_unpacked(archives[name], root, root / f"fma_{name}")
