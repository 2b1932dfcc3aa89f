"""Which of several settings of a method is the best on validation clips: for each class, for all.

Gururani's thesis trains one model for each label, and takes for each the setting of its Table
4.1 with the best mean over five seeds. Test scores choose nothing here.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicssl.evaluation.statistics.resampled_means import mean_over_classes
from musicssl.report.analysis.grouping import Method
from musicssl.report.read.runs import Run
from musicssl.report.read.settings import telling

Floats = NDArray[np.float64]

_OF_VALIDATION = ("data.val_fraction", "data.split_seed", "data.p_cells")


@dataclass(frozen=True, eq=False)
class Setting:
    """Runs that differ only in their seed, of a method that shares its name with others.

    Attributes:
        text: What tells it from the others.
        runs: By seed, ascending.
    """

    text: str
    runs: Mapping[int, Run]

    @property
    def validation(self) -> Floats:
        """The metric by which classes are judged, of the validation clips, (S, C)."""
        values: Floats = np.stack(
            [run.validation for run in self.runs.values() if run.validation is not None]
        )
        return values

    @property
    def test(self) -> Floats:
        """The same of the test clips, (S, C)."""
        values: Floats = np.stack([run.judgement.by_class for run in self.runs.values()])
        return values


@dataclass(frozen=True, eq=False)
class Rivals:
    """Settings that share a name, at one fraction of labels.

    Attributes:
        name: The setting `name`.
        p_s: Fraction of labels.
        settings: Two or more, in the order of their labels.
        unlike: The settings in which they differ and that decide what validates.
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
        """The runs that do not know how they did on validation."""
        return [run for run in self.runs if run.validation is None]

    @property
    def can_be_chosen_from(self) -> bool:
        """Whether their scores on validation are there and compare."""
        return not self.unvalidated and not self.unlike


@dataclass(frozen=True, eq=False)
class Choice:
    """What validation chooses among rivals.

    Attributes:
        name: The setting `name`.
        p_s: Fraction of labels.
        of_classes: The best setting of each class, (C).
        of_all: The best single setting.
        incomplete: Texts of settings that were not among the choices, for they lack seeds.
        undefined: Classes that validation does not define the metric of.
    """

    name: str
    p_s: float
    of_classes: tuple[Setting, ...]
    of_all: Setting
    incomplete: tuple[str, ...]
    undefined: tuple[str, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those that every setting among the choices has."""
        return tuple(self.of_all.runs)

    @property
    def metric(self) -> str:
        """That by which classes are judged."""
        return next(iter(self.of_all.runs.values())).judgement.metric


def rivals(methods: Sequence[Method]) -> list[Rivals]:
    """List the settings that share a name, by name and fraction of labels."""
    by_name: defaultdict[str, list[Method]] = defaultdict(list)
    for method in sorted(methods, key=lambda method: method.label):
        by_name[method.name].append(method)
    return [
        found
        for name in sorted(by_name)
        for p_s in sorted({p_s for method in by_name[name] for p_s in method.cells})
        if len((found := _rivals(by_name[name], p_s)).settings) > 1
    ]


def _rivals(methods: Sequence[Method], p_s: float) -> Rivals:
    texts = telling([method.settings for method in methods])
    there = [
        (text, method) for text, method in zip(texts, methods, strict=True) if p_s in method.cells
    ]
    settings = [Setting(text, dict(sorted(m.cells[p_s].runs.items()))) for text, m in there]
    unlike = tuple(
        key for key in _OF_VALIDATION if len({method.settings.get(key) for _, method in there}) > 1
    )
    return Rivals(methods[0].name, p_s, settings, unlike)


def choose(rivals: Rivals) -> Choice:
    """Take the setting with the greatest mean over seeds on validation.

    Settings must have all the seeds that the most complete one has. Of equals the first one is
    taken; what is undefined on validation is worse than anything.

    Args:
        rivals: Whose scores on validation are there and compare.
    """
    most = max(rivals.settings, key=lambda setting: len(setting.runs))
    complete = [one for one in rivals.settings if most.runs.keys() <= one.runs.keys()]
    by_class = np.stack([one.validation.mean(axis=0) for one in complete])  # (M, C)
    overall = np.stack([macro(one.validation).mean() for one in complete])  # (M,)
    classes = most.runs[next(iter(most.runs))].truth.classes
    undefined = np.isnan(by_class).all(axis=0)
    return Choice(
        name=rivals.name,
        p_s=rivals.p_s,
        of_classes=tuple(complete[place] for place in _best(by_class)),
        of_all=complete[int(_best(overall))],
        incomplete=tuple(one.text for one in rivals.settings if one not in complete),
        undefined=tuple(name for name, is_so in zip(classes, undefined, strict=True) if is_so),
    )


def macro(by_class: Floats) -> Floats:
    """Average over the classes for which it is defined, (S, C) -> (S,); NaN if there is none."""
    return mean_over_classes(by_class.T)


def _best(means: Floats) -> NDArray[np.int64]:
    """Return the place of the greatest, (M, ...) -> (...); the first of several."""
    places: NDArray[np.int64] = np.where(np.isnan(means), -np.inf, means).argmax(axis=0)
    return places
