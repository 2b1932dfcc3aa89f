"""How features are named and measured in pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.cqt import CQT
from musicssl.audio.log_mel import LogMel
from musicssl.audio.mfcc import MFCC
from musicssl.data.corpus import Dataset

Floats = NDArray[np.floating]

_PLURALS = {
    "mean": "means",
    "std": "standard deviations",
    "delta_mean": "mean slopes",
    "delta_std": "standard deviations of slopes",
}


@dataclass(frozen=True)
class FeatureAxis:
    """Names and units of the features of a corpus.

    A mean v is shown as `scale * v + offset`, a difference or another statistic d as `scale * d`.

    Attributes:
        feature: Label of the axis along the features.
        value: Unit of their values.
        difference: Unit of a difference of values.
        scale: See above.
        offset: See above.
        statistics: Statistics of an instance, one after the other in its features.
    """

    feature: str = "feature"
    value: str = "value"
    difference: str = "difference"
    scale: float = 1.0
    offset: float = 0.0
    statistics: Sequence[str] = ("mean",)

    @property
    def all_features(self) -> str:
        """Label of the axis along all features of an instance."""
        if len(self.statistics) == 1:
            return self.feature
        return f"{self.feature}: {', '.join(_PLURALS[name] for name in self.statistics)}"


def feature_axis(dataset: Dataset, num_features: int) -> FeatureAxis:
    """Return names and units of the features of a corpus: decibels of spectra or of MFCC."""
    features = getattr(dataset, "features", None)
    if not isinstance(features, CQT | LogMel | MFCC) or features.num_features != num_features:
        return FeatureAxis()
    statistics = features.statistics
    if isinstance(features, MFCC):
        return FeatureAxis("cepstral coefficient", "dB", "dB", statistics=statistics)
    if isinstance(features, CQT):
        lowest, highest = features.frequencies[[0, -1]] / 1000
        bands = f"constant-Q band, {lowest:.2g} to {highest:.2g} kHz"
    else:
        bands = f"mel band, 0 to {features.sample_rate / 2000:g} kHz"
    return FeatureAxis(
        feature=bands,
        value="dB re full scale",
        difference="dB",
        scale=-features.floor_db,
        offset=features.floor_db,
        statistics=statistics,
    )


@dataclass(frozen=True, eq=False)
class Part:
    """One statistic of the features of clips, such as their mean over time.

    Attributes:
        name: Name of the statistic.
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
    parts = []
    for number, (name, values) in enumerate(_parts(summaries, kind, num_instances)):
        for statistic, block in _blocks(values, axis):
            named = _named(name, statistic, axis)
            if number == 0 and statistic == "mean":
                parts.append(Part(named, axis.value, axis.scale * block + axis.offset))
            else:
                parts.append(Part(named, axis.difference, axis.scale * block))
    return parts


def difference_parts(
    differences: Floats, kind: str, num_instances: int, axis: FeatureAxis
) -> list[Part]:
    """Split differences of summaries, (..., D), into parts; see `level_parts`."""
    return [
        Part(_named(name, statistic, axis), axis.difference, axis.scale * block)
        for name, values in _parts(differences, kind, num_instances)
        for statistic, block in _blocks(values, axis)
    ]


def images(summaries: Floats, num_instances: int, axis: FeatureAxis) -> Floats:
    """Return flat summaries, (..., T F), as (..., T, F)."""
    instances = summaries.reshape(*summaries.shape[:-1], num_instances, -1)
    offsets = [axis.offset if statistic == "mean" else 0.0 for statistic in axis.statistics]
    size = instances.shape[-1] // len(offsets)
    scaled: Floats = axis.scale * instances + np.repeat(offsets, size)
    return scaled


def _blocks(values: Floats, axis: FeatureAxis) -> list[tuple[str, Floats]]:
    """Divide features, (..., F), by the statistics that they consist of."""
    blocks = np.split(values, len(axis.statistics), axis=-1)
    return list(zip(axis.statistics, blocks, strict=True))


def _named(name: str, statistic: str, axis: FeatureAxis) -> str:
    return name if len(axis.statistics) == 1 else f"{name} of {_PLURALS[statistic]}"


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
