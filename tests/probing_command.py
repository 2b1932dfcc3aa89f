"""probe.py in this process, in a folder of our choice, on corpora that are small enough."""

from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

import probe
from musicssl.probes.folder import ProbeFolder

ROOT = Path(__file__).parents[1]
SEARCH_PATH = f"hydra.searchpath=[file://{ROOT}/tests/conf]"


def run(folder: Path, *overrides: str) -> ProbeFolder:
    """Probe; derived data and baselines lie beside the folder."""
    places = (f"runs={folder.parent / 'runs'}", f"data.cache={folder.parent / 'cache'}")
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose(
            "probe", [SEARCH_PATH, *places, "threads=1", *overrides], return_hydra_config=True
        )
    config.hydra.runtime.output_dir = str(folder)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    probe_folder = ProbeFolder(folder)
    probe.run(config, probe_folder)
    return probe_folder
