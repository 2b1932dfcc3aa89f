"""train.py composed from conf/, with Hydra's own settings set."""

from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

CONF = Path(__file__).parents[2] / "conf"


def composed(*overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [*overrides, "data.root=somewhere"], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    ours = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    OmegaConf.to_container(ours, resolve=True, throw_on_missing=True)
    return config
