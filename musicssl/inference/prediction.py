"""Predictions of a network for a recording: scores of the whole and over time."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musicssl.evaluation.decisions import Decisions, calibrated

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The scores of a recording (C classes, T instances).

    Attributes:
        classes: Their names, (C).
        task: "multi_label", "multi_class" or "regression".
        scores: Probability of each class in the recording, or predicted values, (C,).
        times: Begin and end of each instance, in seconds, (T, 2).
        timeline: Scores of each instance, (T, C).
        attention: Weight of each instance in the decision about the recording, (T, C).
        seconds: Duration of the recording.
    """

    classes: tuple[str, ...]
    task: str
    scores: Floats
    times: NDArray[np.float64]
    timeline: Floats
    attention: Floats
    seconds: float

    def calibrated(self, decisions: Decisions) -> "Prediction":
        """Return the prediction with probabilities that fit the validation clips."""
        scores, timeline = (
            calibrated(self.task, values, decisions.temperatures)
            for values in (self.scores, self.timeline)
        )
        return replace(self, scores=scores, timeline=timeline)

    def top(self, count: int) -> list[str]:
        """Return the classes with the greatest scores, the greatest first."""
        order = np.argsort(-self.scores, kind="stable")
        return [self.classes[index] for index in order[:count]]

    def present(self, thresholds: NDArray[np.floating] | float) -> list[str]:
        """Return the classes that are present: from their threshold up, or the one likeliest."""
        if self.task == "multi_class":
            return self.top(1)
        decided = self.scores >= thresholds
        return [name for name, yes in zip(self.classes, decided, strict=True) if yes]


def mean_of(predictions: list[Prediction]) -> Prediction:
    """Return the mean of several networks' predictions of a recording.

    Scores over time are averaged where all networks divide time alike; else there are none.
    """
    first = predictions[0]
    alike = all(
        p.times.shape == first.times.shape and np.allclose(p.times, first.times, atol=1e-3)
        for p in predictions
    )
    scores = np.mean([p.scores for p in predictions], axis=0)
    if not alike:
        none = np.zeros((0, len(first.classes)), np.float32)
        return replace(first, scores=scores, times=np.zeros((0, 2)), timeline=none, attention=none)
    timeline = np.mean([p.timeline for p in predictions], axis=0)
    attention = np.mean([p.attention for p in predictions], axis=0)
    return replace(first, scores=scores, timeline=timeline, attention=attention)
