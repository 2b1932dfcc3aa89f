"""Real processes that talk through gloo, for tests of what is distributed."""

from datetime import timedelta

import torch
import torch.distributed as dist
from torch import multiprocessing
from torch.multiprocessing.spawn import start_processes


def on_ranks(work, folder, *args, world_size=2):
    """Run `work(rank, *args)` on ranks of its own, and return what each one returned."""
    folder.mkdir(exist_ok=True)
    multiprocessing.set_forkserver_preload(["musicssl.cli.training", "tests.support.ranks"])
    arguments = (world_size, work, folder, args)
    start_processes(_rank, arguments, nprocs=world_size, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(world_size)]


def _rank(rank, world_size, work, folder, args):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting_point'}",
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=60),
    )
    torch.save(work(rank, *args), folder / f"{rank}.pt")
    dist.barrier()  # gloo aborts now and then where one rank leaves while another still talks
    dist.destroy_process_group()
