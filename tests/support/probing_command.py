"""probe.py in this process, in a folder of our choice, on corpora that are small enough."""

from pathlib import Path

from musicssl.cli import probing
from musicssl.runs.probes.folder import ProbeFolder
from tests.support.commands import SEARCH_PATH, composed


def run(folder: Path, *overrides: str) -> ProbeFolder:
    """Probe; derived data and baselines lie beside the folder."""
    places = (f"runs={folder.parent / 'runs'}", f"data.cache={folder.parent / 'cache'}")
    probe_folder = ProbeFolder(folder)
    config = composed("probe", folder, SEARCH_PATH, *places, "threads=1", *overrides)
    probing.run(config, probe_folder)
    return probe_folder
