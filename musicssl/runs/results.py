"""What a finished run leaves: tables, scores and pictures in its folder, and a table on screen."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pytorch_lightning as pl
from rich.console import Console

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.label_count import count_labels
from musicssl.documents import null_to_nan, write_json
from musicssl.errors import printable
from musicssl.evaluation.metrics import Metrics
from musicssl.evaluation.predictions import Predictions, Scorer, measure, predict_clips
from musicssl.figures.run_figures import draw_answers, draw_bars
from musicssl.losses.balanced_bce import label_prior
from musicssl.runs.artifacts.artifact import Artifact, TrainedRun, artifacts_of
from musicssl.runs.artifacts.robustness import show_robustness
from musicssl.runs.baselines import baseline_rows, read_baselines, verdict
from musicssl.runs.decisions import decisions_sentence, events_on_validation, write_decisions
from musicssl.runs.folder import RunFolder
from musicssl.runs.messages import describe_validation
from musicssl.runs.tables import metrics_table, write_metrics_csv

_WIDTH = 100  # columns of the table
# In every metrics.json, null if the method leaves no such artifact.
_ALWAYS_PRESENT = ("best_epoch", "localisation", "resolution", "effective_rank", "clusters")


def write_results(
    folder: RunFolder,
    datamodule: SemiSupervisedDataModule,
    method: Scorer,
    layout: str | None = "pca",
    stopped_by: str | None = None,
    trained: Mapping[str, int | str] | None = None,
) -> None:
    """Test a trained method; write scores, tables, its artifacts and, last of all, metrics.json.

    There the same metrics of the validation clips stand beside those of the test clips, so that
    settings can be chosen without looking at the latter.

    Args:
        folder: Folder of the run.
        datamodule: Data module that the method was trained with.
        method: The trained method, in evaluation mode.
        layout: Layout of a map of embeddings, if the method learns some; see
            `musicssl.figures.embedding_map`.
        stopped_by: The setting that ended training before its last epoch, if one did.
        trained: How much the method was trained, as `amount_of_training` counts it; None for one
            without steps.
    """
    corpus = datamodule.corpus
    predictions = predict_split(method, datamodule, "test")
    predictions.save(folder.predictions)
    result = _plain(measure(predictions, corpus.credit))
    by_class = result["per_class"]
    write_metrics_csv(folder.path / "metrics.csv", corpus.classes, by_class, result["macro"])
    draw_bars(folder.figures, corpus.classes, by_class)
    draw_answers(folder.figures, predictions)
    validation = predict_split(method, datamodule, "val")
    validated = _plain(measure(validation, corpus.credit))
    if text := describe_validation(validation.scores, validated):
        print(text)
    events = events_on_validation(method, datamodule, validation.mask)
    shares = label_prior(*datamodule.labels("train")).numpy()
    document = {
        **result,
        "validation": validated,
        "decisions": write_decisions(folder, validation, predictions, events, shares),
        "classes": list(corpus.classes),
        "labels": asdict(count_labels(datamodule)),
        **dict.fromkeys(_ALWAYS_PRESENT),
        **({"stopped_by": stopped_by} if stopped_by else {}),
        **({"trained": dict(trained)} if trained else {}),
    }
    run = TrainedRun(folder, datamodule, method, layout)
    for artifact in artifacts_of(method):
        found = dict(artifact.write(run))
        document["macro"] |= found.pop("macro", {})
        document |= found
    write_json(folder.metrics, document)


def amount_of_training(
    trainer: pl.Trainer, datamodule: SemiSupervisedDataModule
) -> dict[str, int | str]:
    """Count the steps of the optimizer, and the labelled clips in all batches of all processes.

    Beside them stands the precision, which trainer.precision=auto leaves to the device.

    A clip counts each time it is drawn for its labels. Batches by label have `labelled_clips` of
    each label.
    """
    steps = trainer.global_step
    batches = steps * trainer.accumulate_grad_batches * trainer.world_size
    return {
        "steps": steps,
        "labelled_clips": batches * datamodule.labelled_in_batch,
        "precision": trainer.precision,
    }


def predict_split(method: Scorer, datamodule: SemiSupervisedDataModule, split: str) -> Predictions:
    """Score the clips of a split; its targets are those that the run may see."""
    corpus, rows = datamodule.corpus, datamodule.rows(split)
    batches, clip_ids = datamodule.batches(split), corpus.clip_ids[rows]
    return predict_clips(method, batches, corpus.classes, clip_ids, corpus.task)


def show_results(
    folder: RunFolder, artifacts: Sequence[Artifact] = (), name: str | None = None
) -> None:
    """Print the table of a complete run and where the rest is.

    Args:
        folder: Folder of the run.
        artifacts: Of its method.
        name: Name of the run, to show simple baselines beside it; None for the run alone.
    """
    document = folder.result()
    baselines = None if name is None else read_baselines(folder)
    others = {} if baselines is None else baseline_rows(baselines)
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDTH  # a log file has no width of its own
    per_class, means = null_to_nan(document["per_class"]), null_to_nan(document["macro"])
    console.print(metrics_table(document["classes"], per_class, means, console.width, others))
    if baselines is not None and (text := verdict(baselines, str(name))):
        console.print(printable(text), highlight=False, markup=False)
    if stopped_by := document.get("stopped_by"):
        console.print(f"Training was stopped by {stopped_by} before its last epoch.", markup=False)
    if sentence := decisions_sentence(document):
        console.print(sentence, highlight=False)
    for artifact in artifacts:
        artifact.show(folder, document, console)
    if folder.robustness.is_file():
        show_robustness(folder, console)
    location = printable(f"Tables, scores, pictures and checkpoints: {folder.path}")
    console.print(location, highlight=False, markup=False)  # a folder's name may have [brackets]


def _plain(metrics: Metrics) -> dict[str, Any]:
    """Return metrics as JSON has them."""
    by_class = {name: values.tolist() for name, values in metrics.per_class.items()}
    return {"macro": metrics.macro, "per_class": by_class}
