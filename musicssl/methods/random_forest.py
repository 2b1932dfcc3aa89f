"""`random_forest`: the binary-relevance baseline, one forest for each class."""

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.clip_features import instance_statistics
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.tasks import task_named
from musicssl.methods.base.method import Method
from musicssl.methods.base.without_network import WithoutNetwork


class RandomForest(WithoutNetwork):
    """Classify clips with one random forest per class, on a summary of their instances.

    RF_BR of Gururani, Sharma and Lerch 2019, https://arxiv.org/abs/1907.04294, and the baseline of
    OpenMIC-2018: the forest of a class is fitted to the clips in which the class was observed.
    Scores are probabilities; the paper's AUROC of 77.69 equals its recall, so it was computed from
    decisions and is not comparable. In a multi-class task each forest classifies its class against
    the rest, and the scores of a clip need not sum to 1.

    Args:
        num_features: Not used; every method gets the sizes of the corpus.
        num_instances: Not used.
        num_classes: Number of classes, C.
        num_trees: Trees of each forest.
        max_depth: Maximal depth of each tree; None grows trees until all leaves are pure.
        summary: "mean" of a clip's instances, as in OpenMIC's baseline, or "mean_std", mean and
            standard deviation.
        num_workers: Processes to fit with; the result does not depend on it.
        seed: Seed of the forests.
        task: Kind of the targets; see `musicssl.data.corpus.Corpus`.

    Raises:
        InputError: If the corpus is a regression, or a number is less than 1.
    """

    needs: ClassVar[Needs] = Needs(labels=False)  # it draws no batches
    artifacts: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        num_features: int,
        num_instances: int,
        num_classes: int,
        num_trees: int = 100,
        max_depth: int | None = 8,
        summary: Literal["mean", "mean_std"] = "mean",
        num_workers: int = 1,
        seed: int = 0,
        task: str = "multi_label",
    ) -> None:
        if not task_named(task).has_classes:
            raise InputError(
                "method=random_forest classifies, but this corpus is a regression; choose another "
                "method, such as method=att."
            )
        for name, value in (("num_trees", num_trees), ("max_depth", max_depth or 1)):
            if not isinstance(value, int) or value < 1:
                raise InputError(f"method.{name} must be a whole number from 1 up, got {value}.")
        self.num_classes = num_classes
        self.num_trees = num_trees
        self.max_depth = max_depth
        self.summary = summary
        self.num_workers = num_workers
        self.seed = seed
        self.forests: list[RandomForestClassifier | None] = []

    def learn(
        self, datamodule: SemiSupervisedDataModule, train_network: Callable[[Method], None]
    ) -> None:
        """Fit the forests to all training clips.

        Raises:
            InputError: If the clips are sound.
        """
        if datamodule.corpus.is_sound:
            raise InputError("method=random_forest reads instances; choose features=log_mel.")
        self.fit(datamodule.clips("train"))

    def fit(self, clips: Batch) -> None:
        """Fit the forest of each class to the clips in which the class was observed.

        If a class has only one value in a small labelled subset, its forest always predicts that
        value.

        Raises:
            InputError: If the clips are sound instead of instances.
        """
        if clips.x.ndim == 2:
            raise InputError(
                "method=random_forest reads instances, but the data are sound; add "
                "features=log_mel and an encoder of instances, such as encoder=att."
            )
        features, targets, mask = self._features(clips), clips.y.numpy() >= 0.5, clips.mask.numpy()
        fits = (
            delayed(self._fit_one)(features[mask[:, c]], targets[mask[:, c], c], c)
            for c in range(self.num_classes)
        )
        self.forests = Parallel(self.num_workers)(fits)

    def scores(self, clips: Batch) -> Tensor:
        """Return the probability of each class, (B, C)."""
        features = self._features(clips)
        columns = [_probability(forest, features) for forest in self.forests]
        return torch.from_numpy(np.stack(columns, axis=1)).float()

    def _fit_one(
        self, features: NDArray[np.float32], present: NDArray[np.bool_], class_index: int
    ) -> RandomForestClassifier | None:
        if len(features) == 0:
            return None
        seed = np.random.SeedSequence((self.seed, class_index)).generate_state(1)[0]
        forest = RandomForestClassifier(
            self.num_trees, max_depth=self.max_depth, random_state=int(seed)
        )
        return forest.fit(features, present)

    def _features(self, clips: Batch) -> NDArray[np.float32]:
        lengths = None if clips.lengths is None else clips.lengths.numpy()
        return instance_statistics(clips.x.numpy(), lengths, self.summary == "mean_std")


def _probability(
    forest: RandomForestClassifier | None, features: NDArray[np.float32]
) -> NDArray[np.float64]:
    if forest is None:  # the class was never observed
        return np.full(len(features), 0.5)
    present: NDArray[np.float64] = forest.predict_proba(features) @ forest.classes_.astype(float)
    return present
