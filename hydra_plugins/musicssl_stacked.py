"""The launcher of `launcher=stacked`: runs of a sweep that are of the same shape train together.

Hydra accepts plugins from the package hydra_plugins alone, which it imports in every process. So
this module imports NumPy and torch only when it is used.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

if TYPE_CHECKING:
    from musicssl.cli.stacking import Together


class StackedLauncher(Launcher):
    """Start the jobs of a sweep in this process; those that can be, train side by side.

    Args:
        most: How many at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what it needs to start jobs."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Do all jobs; return what became of them, in their order."""
        from musicssl.cli.stacking import together  # imports NumPy

        setup_globals()
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        Path(str(self._config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        jobs = [
            self._composed(initial_job_idx + number, overrides)
            for number, overrides in enumerate(job_overrides)
        ]
        done: dict[int, JobReturn] = {}
        for group in together([_settings(job) for job in jobs], self._most):
            self._do(group, jobs, done)
        return [done[number] for number in range(len(jobs))]

    def _composed(self, number: int, overrides: Sequence[str]) -> DictConfig:
        config = self._context.config_loader.load_sweep_config(self._config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        return config

    def _do(
        self, group: "Together", jobs: Sequence[DictConfig], done: dict[int, JobReturn]
    ) -> None:
        """Do the jobs of a group, each beginning while those before it wait for it."""
        waiting = list(group.jobs)

        def begin_others() -> None:
            while waiting:
                number = waiting.pop(0)
                done[number] = run_job(
                    hydra_context=self._context,
                    task_function=self._task,
                    config=jobs[number],
                    job_dir_key="hydra.sweep.dir",
                    job_subdir_key="hydra.sweep.subdir",
                )
                configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)

        if group.said:
            print(group.said)
        if len(waiting) == 1:
            begin_others()
            return
        from musicssl.runs.stacked.fit import Stack, stacked  # imports torch

        with stacked(Stack(begin_others)):
            begin_others()


def _settings(job: DictConfig) -> dict[str, Any] | None:
    """Return the settings of a job as plain values; None if they are not complete."""
    with _current(job):
        config = OmegaConf.masked_copy(job, [str(key) for key in job if key != "hydra"])
        try:
            settings: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException:  # the job itself says what is wrong
            return None
    return {str(key): value for key, value in settings.items()}


@contextmanager
def _current(job: DictConfig) -> Iterator[None]:
    """Let values refer to Hydra's settings of a job that has not begun."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(job)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
