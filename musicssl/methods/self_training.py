"""`self_training`: a classifier that is fitted again to its most confident predictions."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter

from musicssl.data.clip_features import clip_features
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.methods.base.method import Method
from musicssl.methods.baseline import Baseline, Floats, Model, probabilities_of


class SelfTraining(Baseline):
    """Fit a classifier to the labels, then also to its own predictions, class by class.

    Class-balanced self-training (Zou et al. 2018, https://arxiv.org/abs/1810.07911, section 3.2)
    with the features and classifiers of `method=baseline`:

    1. Fit the classifier to the labelled clips.
    2. Predict the unlabelled clips, and align the predictions: divide the probability of each class
       by its mean over these clips, multiply it by the share of the class, and normalise.
    3. Give the most confident clips of each class its label: in round k of K, k / K of the clips
       that this class should have by its share.
    4. Fit a new classifier to labels and pseudo-labels, and repeat from step 2.

    In a multi-label task this is done for each class by itself, with the two values present and
    absent, and with the clips in which the class was not observed. If there is a second corpus of
    unlabelled clips, its clips are used instead.

    There are two differences from the paper. It trains the same network further in each round; here
    each round fits a new classifier. It selects the same share of the predictions of each class, so
    that a class that is predicted too often grows; here the share of the class limits it. With 0
    rounds the method is `method=baseline`, except that features are standardised over all training
    clips.

    Args:
        rounds: Number of rounds, K.
        shares: Share of each class among the unlabelled clips: "labelled", that of the labelled
            clips, with one clip more of each class, so that a few labels do not decide; "uniform",
            where classes are known to be equally frequent.
        labelled_weight: Weight of a labelled clip; a clip with a pseudo-label has 1.
        parts: See `Baseline`.

    Raises:
        InputError: If a setting is out of range, or the classifier cannot weigh clips; see also
            `Baseline`.
    """

    artifacts: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        rounds: int = 10,
        shares: Literal["labelled", "uniform"] = "labelled",
        labelled_weight: float = 3.0,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        if not has_fit_parameter(self.classifier, "sample_weight"):
            raise InputError(
                "method=self_training needs a classifier that accepts weights of clips, which "
                f"{type(self.classifier).__name__} does not; choose another baseline, such as "
                "baseline=mfcc_lr."
            )
        if rounds < 0:
            raise InputError(f"method.rounds must be 0 or more, got {rounds}.")
        if shares not in ("labelled", "uniform"):
            raise InputError(f"method.shares must be labelled or uniform, got {shares}.")
        if not labelled_weight > 0:
            raise InputError(f"method.labelled_weight must be above 0, got {labelled_weight:g}.")
        self.rounds = rounds
        self.shares = shares
        self.labelled_weight = labelled_weight
        self._second: Floats | None = None  # features of the unlabelled clips of a second corpus

    def learn(
        self, datamodule: SemiSupervisedDataModule, train_network: Callable[[Method], None]
    ) -> None:
        """Fit the classifiers to the training clips, and to the unlabelled ones.

        Raises:
            InputError: If a corpus does not have the features.
        """
        if datamodule.unlabelled is not None:
            corpus, second = datamodule.corpora
            rows = datamodule.subsets.pool - len(corpus.clip_ids)
            self._second = clip_features(datamodule.unlabelled, second, self.features)[rows]
        super().learn(datamodule, train_network)

    def _fitted(self, x: Floats, values: NDArray[np.int64], unlabelled: Floats) -> Model:
        """Fit a classifier to values, (N,), and in rounds to its own predictions."""
        if self._second is not None:
            unlabelled = self._second
        kinds, counts = np.unique(values, return_counts=True)
        if len(kinds) < 2 or not len(unlabelled):
            return super()._fitted(x, values, unlabelled)
        scaler = StandardScaler().fit(np.concatenate([x, unlabelled]))
        labelled, others = scaler.transform(x), scaler.transform(unlabelled)
        share = counts + 1.0 if self.shares == "labelled" else np.ones(len(kinds))
        share = share / share.sum()
        model = clone(self.classifier).fit(labelled, values)
        weight = np.full(len(x), self.labelled_weight)
        for done in range(1, self.rounds + 1):
            aligned = align(probabilities_of(model, others), share)
            wanted = np.round(done / self.rounds * len(others) * share).astype(int)
            rows, answers = most_confident(aligned, wanted)
            model = clone(self.classifier).fit(
                np.concatenate([labelled, others[rows]]),
                np.concatenate([values, kinds[answers]]),
                np.concatenate([weight, np.ones(len(rows))]),
            )
        return make_pipeline(scaler, model)


def align(probabilities: Floats, share: Floats) -> Floats:
    """Return probabilities, (N, V), whose means over clips are near the share of each value, (V,).

    >>> align(np.array([[0.9, 0.1], [0.7, 0.3]]), np.array([0.5, 0.5])).round(3)
    array([[0.692, 0.308],
           [0.368, 0.632]])
    """
    aligned = probabilities * share / probabilities.mean(axis=0).clip(min=1e-12)
    normalised: Floats = aligned / aligned.sum(axis=1, keepdims=True)
    return normalised


def most_confident(
    probabilities: Floats, wanted: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the clips with the most confident answers of each value, and these answers.

    Args:
        probabilities: Probabilities of each value, (N, V). The answer of a clip is the most
            probable value.
        wanted: Number of clips of each value, (V,); fewer if fewer have this answer.

    Returns:
        Rows of clips, ascending, and the answer of each.
    """
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    chosen = [order[answers[order] == value][:count] for value, count in enumerate(wanted)]
    rows = np.sort(np.concatenate(chosen))
    return rows, answers[rows]
