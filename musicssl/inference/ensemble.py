"""One or several networks that predict recordings together: the mean of their scores."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from musicssl.errors import InputError
from musicssl.evaluation.decisions import Decisions
from musicssl.inference.model import Model
from musicssl.inference.prediction import Prediction, mean_of
from musicssl.inference.read_ahead import done_ahead, outcome


class Ensemble:
    """Networks of the same classes, whose scores are averaged.

    Args:
        models: One or more.

    Attributes:
        models: As given.
        classes: Of all of them.
        task: As well.

    Raises:
        InputError: If their classes or tasks differ.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        first = models[0]
        for other in models[1:]:
            if (other.classes, other.task) != (first.classes, first.task):
                one, two = (m.description.path for m in (first, other))
                raise InputError(
                    f"{two} was trained for other classes than {one}, so that their scores cannot "
                    "be averaged; name models of the same corpus."
                )
        self.models = list(models)
        self.classes = first.classes
        self.task = first.task

    @property
    def decisions(self) -> Decisions | None:
        """Mean thresholds and temperatures of the networks; None if one has none.

        Several networks have no settings of events together.
        """
        if len(self.models) == 1:
            return self.models[0].decisions
        found = [model.decisions for model in self.models]
        known = [one for one in found if one is not None]
        if len(known) < len(found):
            return None
        thresholds = np.mean([one.thresholds for one in known], axis=0)
        temperatures = np.mean([one.temperatures for one in known], axis=0)
        return Decisions(thresholds, temperatures, min(one.num_clips for one in known))

    def predict(self, path: Path) -> Prediction:
        """Predict one recording; see `Model.predict`."""
        return mean_of([model.predict(path) for model in self.models])

    def predict_files(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Prediction | str]]:
        """Yield each recording with its prediction, or with what is wrong with it.

        Recordings are decoded while others are predicted.
        """
        if len(self.models) > 1:  # they may read other sample rates
            for path in paths:
                yield path, outcome(partial(self.predict, path))
            return
        [model] = self.models
        yield from done_ahead(paths, model.sample_rate, model.predict_blocks, model.at_once)
