"""How features are named and measured in pictures."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.log_mel import LogMel
from musicssl.data.corpus import Dataset

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class FeatureAxis:
    """Names and units of the features of a corpus.

    A value v is shown as `scale * v + offset`, a difference or a deviation d as `scale * d`.

    Attributes:
        feature: Label of the axis along the features.
        value: Unit of their values.
        difference: Unit of a difference of values.
        scale: See above.
        offset: See above.
    """

    feature: str = "feature"
    value: str = "value"
    difference: str = "difference"
    scale: float = 1.0
    offset: float = 0.0


def feature_axis(dataset: Dataset, num_features: int) -> FeatureAxis:
    """Return names and units of the features of a corpus: decibels of log-mel spectra."""
    features = getattr(dataset, "features", None)
    if not isinstance(features, LogMel) or features.num_mels != num_features:
        return FeatureAxis()
    return FeatureAxis(
        feature=f"mel band, 0 to {features.sample_rate / 2000:g} kHz",
        value="dB re full scale",
        difference="dB",
        scale=-features.floor_db,
        offset=features.floor_db,
    )


@dataclass(frozen=True, eq=False)
class Part:
    """One statistic of the features of clips, such as their mean over time.

    Attributes:
        name: Of the statistic.
        value: Unit of its values.
        values: (..., F).
    """

    name: str
    value: str
    values: Floats


def level_parts(summaries: Floats, kind: str, num_instances: int, axis: FeatureAxis) -> list[Part]:
    """Split summaries, (..., D), into parts that can be drawn; `flat` ones are averaged over time.

    Args:
        summaries: In the units of the features.
        kind: As `musicssl.methods.generative.summary.ClipSummary` has it.
        num_instances: T.
        axis: Names and units of the features.
    """
    first, *rest = _parts(summaries, kind, num_instances)
    parts = [Part(first[0], axis.value, axis.scale * first[1] + axis.offset)]
    return parts + [Part(name, axis.difference, axis.scale * values) for name, values in rest]


def difference_parts(
    differences: Floats, kind: str, num_instances: int, axis: FeatureAxis
) -> list[Part]:
    """Split differences of summaries, (..., D), into parts; see `level_parts`."""
    parts = _parts(differences, kind, num_instances)
    return [Part(name, axis.difference, axis.scale * values) for name, values in parts]


def images(summaries: Floats, num_instances: int, axis: FeatureAxis) -> Floats:
    """Return flat summaries, (..., T F), as (..., T, F)."""
    instances = summaries.reshape(*summaries.shape[:-1], num_instances, -1)
    scaled: Floats = axis.scale * instances + axis.offset
    return scaled


def _parts(summaries: Floats, kind: str, num_instances: int) -> list[tuple[str, Floats]]:
    if num_instances == 1:
        return [("features", summaries)]
    if kind == "mean":
        return [("mean over time", summaries)]
    if kind == "flat":
        instances = summaries.reshape(*summaries.shape[:-1], num_instances, -1)
        return [("mean over time", instances.mean(axis=-2))]
    mean, deviation = np.split(summaries, 2, axis=-1)
    return [("mean over time", mean), ("standard deviation over time", deviation)]
