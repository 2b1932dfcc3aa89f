"""What a run says of its own course."""

import csv
import math

import numpy as np
import pytest
import torch

from musicssl.evaluation.tasks import MULTI_LABEL
from musicssl.runs.messages import describe_course, describe_validation


def history(folder, **columns):
    """Write a history of some epochs, one list of values for each metric."""
    names = {name.replace("__", "/"): values for name, values in columns.items()}
    path = folder / "history.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *names])
        writer.writerows(zip(range(100), *names.values(), strict=False))
    return path


FALLING = [1.0, 0.8, 0.6, 0.5, 0.45, 0.42, 0.4, 0.39, 0.38, 0.38]
CONVERGED = [0.6, 0.7, 0.8, 0.85, 0.86, 0.86, 0.861, 0.862, 0.861, 0.862]


def test_nothing_is_said_of_a_run_that_has_converged(tmp_path):
    path = history(tmp_path, train__loss=FALLING, val__loss=FALLING, val__auroc=CONVERGED)
    assert describe_course(path, "trainer.max_steps=2") == []


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"train__loss": [0.69] * 10, "val__auroc": CONVERGED}, "has not fallen, 0.690 at first"),
        ({"train__loss": FALLING, "val__auroc": [0.5 + 0.02 * k for k in range(10)]}, "still"),
        (
            {
                "train__loss": FALLING,
                "val__auroc": CONVERGED,
                "train__consistency_loss": [0.0, 0.01, *[0.05] * 8],
                "val__student_auroc": [0.6, 0.75, 0.7, 0.6, *[0.5] * 6],
            },
            "fell from a val/student_auroc of 0.750 to 0.500",
        ),
    ],
)
def test_a_fault_is_one_sentence_with_what_to_try(tmp_path, columns, words):
    [remark] = describe_course(history(tmp_path, **columns), "trainer.max_steps=8000")
    assert words in remark
    assert "try " in remark or "such as with trainer.max_steps=8000" in remark


@pytest.mark.parametrize("weight", ["weight", "capacity"])
def test_a_loss_may_rise_where_a_regulariser_sets_in(tmp_path, weight):
    rising = {"train__loss": FALLING[::-1], f"train__{weight}": [0.0, 1.0] * 5}
    path = history(tmp_path, **rising, train__reconstruction=FALLING)
    assert describe_course(path, "") == []
    path = history(tmp_path, **rising, train__reconstruction=[3.2] * 10)
    assert "has not fallen, 3.200 at first" in describe_course(path, "")[0]


def test_few_epochs_say_nothing(tmp_path):
    assert describe_course(history(tmp_path, train__loss=[0.7] * 3), "") == []


@pytest.mark.parametrize("kind", ["one clip", "one class only"])
def test_validation_that_cannot_be_ranked_says_so(kind):
    scores = np.array([[0.2, 0.7]] if kind == "one clip" else [[0.2, 0.7], [0.4, 0.1]], np.float32)
    targets = torch.tensor([[1.0, 0.0]]).expand(len(scores), 2)
    mask = torch.ones(len(scores), 2, dtype=torch.bool)
    found = MULTI_LABEL.metrics(torch.from_numpy(scores), targets, mask)
    validated = {
        "macro": found.macro,
        "per_class": {name: values.tolist() for name, values in found.per_class.items()},
    }
    said = describe_validation(scores, validated)
    assert said.startswith("The validation AUROC is not defined: no class has validation clips")
    assert describe_validation(scores, {"macro": {"r2": math.nan}, "per_class": {}}) is None
