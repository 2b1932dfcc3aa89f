"""The functions that values in conf/ may call; importing this module registers them."""

from omegaconf import OmegaConf

from musicssl.cli.budget import batch_size, unless
from musicssl.cli.naming import label, run_name, run_of
from musicssl.runs.probes.folder import probe_folder

for _resolver in (batch_size, unless, label, run_name, run_of, probe_folder):
    OmegaConf.register_new_resolver(_resolver.__name__, _resolver, replace=True)
