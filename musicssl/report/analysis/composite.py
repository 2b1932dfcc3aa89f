"""What a classifier scores that judges each class by the setting that was chosen for it."""

from dataclasses import replace

import numpy as np
import torch

from musicssl.evaluation.tasks import task_named
from musicssl.report.analysis.choosing import Choice
from musicssl.report.analysis.grouping import Cell
from musicssl.report.read.run_files import read_predictions
from musicssl.report.read.run_scores import judge
from musicssl.report.read.runs import Run


def composite(choice: Choice) -> Cell:
    """Put the classifiers of the chosen settings together, seed by seed.

    Column c of the test scores is that of the setting that was chosen for class c, from its run
    with this seed. Metrics are measured on these scores anew; `weighted_accuracy` is missing, for
    runs do not keep what answers are worth.

    Raises:
        InputError: If a file of predictions is damaged.
    """
    return Cell({seed: _put_together(choice, seed) for seed in choice.seeds})


def _put_together(choice: Choice, seed: int) -> Run:
    """Return the composite as a run; its folder is that of the first class."""
    runs = [setting.runs[seed] for setting in choice.of_classes]
    known = {run.folder: run for run in runs}
    scores_of = {
        folder: read_predictions(run.predictions, run.settings)[0] for folder, run in known.items()
    }
    columns = [scores_of[run.folder][:, c] for c, run in enumerate(runs)]
    scores, truth = np.stack(columns, axis=1), runs[0].truth  # (N, C)
    tensors = map(torch.from_numpy, (scores, truth.targets, truth.mask))
    return replace(
        runs[0],
        settings={},
        metrics=task_named(truth.task).metrics(*tensors).macro,
        judgement=judge(scores, truth),
        best_epoch=None,
        robustness=None,
        validation=None,
    )
