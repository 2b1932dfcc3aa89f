"""`baseline`: simple features of whole clips, and a classifier of scikit-learn."""

import warnings
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.clip_features import Kind, clip_features
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.tasks import task_named
from musicssl.methods.base.method import Method
from musicssl.methods.base.without_network import WithoutNetwork

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Model: TypeAlias = Pipeline | int | None  # fitted; or the only value there is; or None without any


class Baseline(WithoutNetwork):
    """Classify clips by standardised features and a classifier of scikit-learn.

    Features are shifted and scaled to mean 0 and standard deviation 1 over the clips that the
    classifier is fitted to. In a multi-label task each class has a classifier of its own, fitted to
    the training clips in which the class was observed; in a multi-class task there is one for all
    classes. Scores are the probabilities of the classifier. If it has none, such as a support
    vector machine, they are the logistic function of its decision values, or the softmax of those
    of several classes: they rank and decide as the classifier does, but are not calibrated.

    Args:
        num_features: Not used; every method gets the sizes of the corpus.
        num_instances: Not used.
        num_classes: Number of classes, C.
        features: Features of a clip; see `musicssl.data.clip_features.clip_features`.
        classifier: A classifier of scikit-learn; copies of it are fitted.
        task: Kind of the targets; see `musicssl.data.corpus.Corpus`.

    Raises:
        InputError: If the corpus is a regression, or `classifier` is none of scikit-learn.
    """

    needs: ClassVar[Needs] = Needs(labels=False)  # it draws no batches
    artifacts: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        num_features: int,
        num_instances: int,
        num_classes: int,
        features: Kind,
        classifier: BaseEstimator,
        task: str = "multi_label",
    ) -> None:
        self.task = task_named(task)
        if not self.task.has_classes:
            raise InputError(
                "method=baseline classifies, but this corpus is a regression; choose another "
                "method, such as method=att."
            )
        if not isinstance(classifier, BaseEstimator):
            raise InputError(
                "baseline.classifier must be a classifier of scikit-learn, such as "
                f"sklearn.linear_model.LogisticRegression, got {classifier!r}."
            )
        self.num_classes = num_classes
        self.features = features
        self.classifier = classifier
        self.models: list[Model] = []
        self._x = np.zeros((0, 0), np.float32)

    def learn(
        self, datamodule: SemiSupervisedDataModule, train_network: Callable[[Method], None]
    ) -> None:
        """Fit the classifiers to the training clips.

        Raises:
            InputError: If the corpus does not have the features.
        """
        self._x = clip_features(datamodule.dataset, datamodule.corpus, self.features)
        rows = datamodule.subsets.used
        targets, mask = datamodule.subsets.labels.values(rows)
        self.fit(self._x[rows], targets.numpy(), mask.numpy())

    def fit(self, x: Floats, targets: Floats, mask: Bools) -> None:
        """Fit the classifiers to the clips whose targets were observed.

        A class that has only one value in the training clips is always predicted so; a class that
        was never observed has the probability 0.5.

        Args:
            x: Features, (N, D).
            targets: Targets, (N, C); arbitrary where `mask` is False.
            mask: True where a target was observed, (N, C) bool.
        """
        # Threads of the algebra libraries that wait for a busy core make a fit many times slower.
        with threadpool_limits(torch.get_num_threads()), warnings.catch_warnings():
            # scikit-learn takes many classes with few clips each for a regression.
            warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")
            self.models = self._fitted_to(x, targets >= 0.5, mask)

    def _fitted_to(self, x: Floats, present: Bools, mask: Bools) -> list[Model]:
        """Fit a classifier for all classes or, in a multi-label task, one for each."""
        if self.task.one_class_per_clip:
            seen = mask.all(axis=1)
            return [self._fitted(x[seen], present[seen].argmax(axis=1), x[~seen])]
        return [
            self._fitted(x[seen], present[seen, c].astype(np.int64), x[~seen])
            for c, seen in enumerate(mask.T)
        ]

    def predict(self, x: Floats) -> Floats:
        """Return the probability of each class, (N, D) -> (N, C)."""
        if self.task.one_class_per_clip:
            return _probabilities(self.models[0], x, self.num_classes)
        return np.stack([_probabilities(model, x, 2)[:, 1] for model in self.models], axis=1)

    def scores(self, batch: Batch) -> Tensor:
        """Return the probability of each class, (B, C), of clips of the corpus."""
        assert batch.rows is not None
        return torch.from_numpy(self.predict(self._x[batch.rows.cpu().numpy()])).float()

    def _fitted(self, x: Floats, values: NDArray[np.int64], unlabelled: Floats) -> Model:
        """Fit one classifier to values, (N,); subclasses use the clips without one."""
        if len(np.unique(values)) < 2:
            return int(values[0]) if len(values) else None
        pipeline = make_pipeline(StandardScaler(), clone(self.classifier))
        return pipeline.fit(x, values)


def _probabilities(model: Model, x: Floats, num_values: int) -> Floats:
    """Return the probability of each value, (N, V)."""
    if model is None:
        return np.full((len(x), num_values), 1 / num_values)
    probabilities = np.zeros((len(x), num_values))
    if isinstance(model, int):
        probabilities[:, model] = 1
    else:
        probabilities[:, model.classes_] = probabilities_of(model, x)
    return probabilities


def probabilities_of(model: Any, x: Floats) -> Floats:
    """Return the probability that a fitted classifier gives each of its values, (N, V)."""
    if hasattr(model, "predict_proba"):
        probabilities: Floats = model.predict_proba(x)
        return probabilities
    decision = torch.from_numpy(model.decision_function(x))
    if decision.ndim == 1:  # of the second of two values
        decision = torch.stack([torch.zeros_like(decision), decision], dim=1)
    softmax: Floats = decision.softmax(dim=1).numpy()
    return softmax
