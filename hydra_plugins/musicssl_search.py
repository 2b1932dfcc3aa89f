"""Search for settings with Optuna: `sweep=optuna`. Each trial is an ordinary job of a sweep.

Hydra accepts plugins from the package hydra_plugins alone, which it imports in every process. So
this module imports Optuna only when it is used.
"""

import math
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from musicssl.errors import InputError

if TYPE_CHECKING:
    import optuna

_PROCESS = "process"  # attribute of a trial: host and process that train it


class OptunaSweeper(Sweeper):
    """Draws settings by what earlier trials have reached, and runs them as jobs.

    Trials maximise what a job returns, the main metric on the validation clips; see
    `musicssl.cli.job.Outcome`. The study is kept in a file, so that the same command goes on where
    it was stopped, and several processes can work on one study. A trial whose process has died is
    tried again first, and its run goes on from its last checkpoint.

    Args:
        trials: Complete trials of the study, after which the search ends.
        at_once: Trials that are drawn together and given to the launcher.
        journal: File of the studies.
        study: Name of the study.
        seed: Of the draws.
        params: Settings to search, as overrides; those typed replace them.
    """

    def __init__(
        self,
        trials: int,
        at_once: int,
        journal: str,
        study: str,
        seed: int,
        params: DictConfig | None = None,
    ) -> None:
        self._trials, self._at_once = trials, max(1, at_once)
        self._journal, self._name, self._seed = Path(journal), study, seed
        self._params = params

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Build the launcher of the jobs."""
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run trials until the study has enough; print the best one.

        Args:
            arguments: Overrides of all jobs, and `interval(...)`, `choice(...)` or `range(...)`.
        """
        space, fixed = search_space([*self._typed_in_files(), *arguments])
        study = self._study()
        _retry_dead(study)
        number = 0
        while (left := self._trials - _count_complete(study)) > 0:
            trials = [study.ask(space) for _ in range(min(left, self._at_once))]
            for trial in trials:
                trial.set_user_attr(_PROCESS, _this_process())
            jobs = [[*fixed, *(f"{k}={v}" for k, v in trial.params.items())] for trial in trials]
            returned = self._launcher.launch(jobs, initial_job_idx=number)
            number += len(jobs)
            values = [float(one.return_value) for one in returned]
            for trial, value in zip(trials, values, strict=True):
                study.tell(trial, *_told(value))
            if all(math.isnan(value) for value in values):
                break  # the next ones would most likely fail for the same reason
        _show_best(study)

    def _typed_in_files(self) -> list[str]:
        return [f"{key!s}={value}" for key, value in (self._params or {}).items()]

    def _study(self) -> "optuna.Study":
        try:
            import optuna
            from optuna.storages import JournalStorage
            from optuna.storages.journal import JournalFileBackend
        except ModuleNotFoundError as error:
            raise InputError(
                f"sweep=optuna needs the package {error.name}; pip install 'musicssl[optuna]'."
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(self._journal))),
            study_name=self._name,
            direction="maximize",
            load_if_exists=True,
        )
        # A study that goes on must not draw what it has drawn.
        study.sampler = optuna.samplers.TPESampler(seed=self._seed + len(study.trials))
        return study


def search_space(
    arguments: list[str],
) -> "tuple[dict[str, optuna.distributions.BaseDistribution], list[str]]":
    """Divide overrides into those that are searched and those of all jobs.

    Raises:
        InputError: If nothing is to be searched.
    """
    overrides = {one.get_key_element(): one for one in _parsed(arguments)}
    space = {key: _distribution(one) for key, one in overrides.items() if one.is_sweep_override()}
    if not space:
        raise InputError(
            "sweep=optuna has nothing to search; type settings such as "
            "'optimizer.lr=tag(log,interval(1e-4,1e-2))' 'encoder.dropout=choice(0.1,0.3)'."
        )
    kept = [one.input_line for one in overrides.values() if not one.is_sweep_override()]
    return space, [line for line in kept if line is not None]


def _parsed(arguments: list[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(arguments)


def _distribution(override: Override) -> "optuna.distributions.BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    value: Any = override.value()
    if not override.is_interval_sweep():  # written as in an override, so that each is a text
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    log = "log" in value.tags
    if isinstance(value.start, int) and isinstance(value.end, int):
        return IntDistribution(value.start, value.end, log=log)
    return FloatDistribution(value.start, value.end, log=log)


def _told(value: float) -> "tuple[float | None, optuna.trial.TrialState]":
    from optuna.trial import TrialState

    return (None, TrialState.FAIL) if math.isnan(value) else (value, TrialState.COMPLETE)


def _count_complete(study: "optuna.Study") -> int:
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def _this_process() -> list[str | int]:
    return [socket.gethostname(), os.getpid()]


def _retry_dead(study: "optuna.Study") -> None:
    """Draw the settings of trials again whose process on this machine has died."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        host, process = trial.user_attrs.get(_PROCESS, (None, None))
        if host == socket.gethostname() and not _is_alive(process):
            study.enqueue_trial(trial.params)
            study.tell(trial.number, state=TrialState.FAIL)


def _is_alive(process: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
    return True


def _show_best(study: "optuna.Study") -> None:
    if not _count_complete(study):
        return
    best = study.best_trial
    settings = " ".join(f"{key}={value}" for key, value in best.params.items())
    print(f"Best of {_count_complete(study)} trials, {best.value:.4f} on validation: {settings}")
