"""The settings of a method that are the best on validation clips: for each class, and for all.

Gururani's thesis trains one model for each label, and takes for each the setting of its Table
4.1 with the best mean over five seeds. Test scores choose nothing here.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.evaluation.statistics.resampled_means import mean_over_classes
from musicssl.evaluation.tasks import task_named
from musicssl.report.analysis.grouping import Cell, Method
from musicssl.report.read.runs import Run, class_scores
from musicssl.report.read.settings import telling

Floats = NDArray[np.float64]

_VALIDATION_SETTINGS = (
    *("data.val_fraction", "data.split_seed", "data.p_cells", "data.val_labels"),
    *("data.val_by", "data.val_list"),
)


@dataclass(frozen=True, eq=False)
class Setting:
    """Runs that differ only in their seed, of a method that shares its name with others.

    Attributes:
        text: The settings that the others do not share.
        runs: By seed, ascending.
    """

    text: str
    runs: Mapping[int, Run]

    @property
    def validation(self) -> Floats:
        """`Run.scores.metric` of each seed and class on the validation clips, (S, C)."""
        values: Floats = np.stack(
            [run.validation for run in self.runs.values() if run.validation is not None]
        )
        return values

    @property
    def test(self) -> Floats:
        """The same on the test clips, (S, C)."""
        values: Floats = np.stack([run.scores.by_class for run in self.runs.values()])
        return values


@dataclass(frozen=True, eq=False)
class Rivals:
    """Settings that share a name, at one fraction of labels.

    Attributes:
        name: The setting `name`.
        p_s: Fraction of labels.
        settings: Two or more, in the order of their labels.
        unlike: Paths of settings in which they differ and that change the validation clips.
    """

    name: str
    p_s: float
    settings: Sequence[Setting]
    unlike: tuple[str, ...]

    @property
    def runs(self) -> list[Run]:
        """All runs."""
        return [run for setting in self.settings for run in setting.runs.values()]

    @property
    def unvalidated(self) -> list[Run]:
        """The runs without scores on validation clips."""
        return [run for run in self.runs if run.validation is None]

    @property
    def can_be_chosen_from(self) -> bool:
        """Whether all have scores on validation clips, of the same clips."""
        return not self.unvalidated and not self.unlike


@dataclass(frozen=True, eq=False)
class Choice:
    """The settings that validation chooses among rivals.

    Attributes:
        name: The setting `name`.
        p_s: Fraction of labels.
        of_classes: The best setting of each class, (C).
        of_all: The best single setting.
        incomplete: Texts of the settings that were left out because they lack seeds.
        undefined: Classes whose metric is undefined on the validation clips.
    """

    name: str
    p_s: float
    of_classes: tuple[Setting, ...]
    of_all: Setting
    incomplete: tuple[str, ...]
    undefined: tuple[str, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that all settings have that were chosen from."""
        return tuple(self.of_all.runs)

    @property
    def metric(self) -> str:
        """Name of the metric that settings were chosen by."""
        return next(iter(self.of_all.runs.values())).scores.metric


def rivals(methods: Sequence[Method]) -> list[Rivals]:
    """List the settings that share a name, by name and fraction of labels."""
    by_name: defaultdict[str, list[Method]] = defaultdict(list)
    for method in sorted(methods, key=lambda method: method.label):
        by_name[method.name].append(method)
    candidates = [
        _rivals(by_name[name], p_s)
        for name in sorted(by_name)
        for p_s in sorted({p_s for method in by_name[name] for p_s in method.cells})
    ]
    return [one for one in candidates if len(one.settings) > 1]


def _rivals(methods: Sequence[Method], p_s: float) -> Rivals:
    texts = telling([method.settings for method in methods])
    pairs = [
        (text, method) for text, method in zip(texts, methods, strict=True) if p_s in method.cells
    ]
    settings = [Setting(text, dict(sorted(m.cells[p_s].runs.items()))) for text, m in pairs]
    unlike = tuple(
        key
        for key in _VALIDATION_SETTINGS
        if len({method.settings.get(key) for _, method in pairs}) > 1
    )
    return Rivals(methods[0].name, p_s, settings, unlike)


def choose(rivals: Rivals) -> Choice:
    """Take the setting with the greatest mean over seeds on validation.

    Settings must have all seeds of the most complete one. Of equally good ones the first is taken;
    an undefined mean is worse than any other.

    Args:
        rivals: Such that `can_be_chosen_from`.
    """
    most = max(rivals.settings, key=lambda setting: len(setting.runs))
    complete = [one for one in rivals.settings if most.runs.keys() <= one.runs.keys()]
    by_class = np.stack([one.validation.mean(axis=0) for one in complete])  # (M, C)
    overall = np.stack([macro(one.validation).mean() for one in complete])  # (M,)
    classes = most.runs[next(iter(most.runs))].test_set.classes
    undefined = np.isnan(by_class).all(axis=0)
    return Choice(
        name=rivals.name,
        p_s=rivals.p_s,
        of_classes=tuple(complete[index] for index in _best(by_class)),
        of_all=complete[int(_best(overall))],
        incomplete=tuple(one.text for one in rivals.settings if one not in complete),
        undefined=tuple(name for name, missing in zip(classes, undefined, strict=True) if missing),
    )


def macro(by_class: Floats) -> Floats:
    """Average over the classes for which it is defined, (S, C) -> (S,); NaN if there is none."""
    return mean_over_classes(by_class.T)


def _best(means: Floats) -> NDArray[np.int64]:
    """Return the index of the greatest, (M, ...) -> (...); the first of several."""
    best: NDArray[np.int64] = np.where(np.isnan(means), -np.inf, means).argmax(axis=0)
    return best


def composite(choice: Choice) -> Cell:
    """Return the classifiers that score each class by the setting chosen for it, one for each seed.

    Column c of the test scores is that of the setting that was chosen for class c, from its run
    with this seed. Metrics are measured on these scores anew. `weighted_accuracy` is missing,
    because runs do not keep the credit of answers.

    Raises:
        InputError: If a file of predictions is damaged.
    """
    return Cell({seed: _composite_run(choice, seed) for seed in choice.seeds})


def _composite_run(choice: Choice, seed: int) -> Run:
    """Return the composite as a run; its folder is that of the first class."""
    runs = [setting.runs[seed] for setting in choice.of_classes]
    predictions = {run: run.predicted() for run in set(runs)}
    scores, log_odds = (
        np.stack([predictions[run][part][:, c] for c, run in enumerate(runs)], axis=1)
        for part in (0, 1)
    )  # (N, C) each
    test_set = runs[0].test_set
    tensors = map(torch.from_numpy, (scores, test_set.targets, test_set.mask, log_odds))
    return replace(
        runs[0],
        settings={},
        metrics=task_named(test_set.task).metrics(*tensors).macro,
        scores=class_scores(scores, test_set, log_odds),
        best_epoch=None,
        robustness=None,
        validation=None,
        folds={},
    )
