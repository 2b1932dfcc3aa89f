"""`musicssl predict`: predictions of a trained network for recordings, as a whole and over time."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicssl.cli.recordings import (
    add_model_options,
    load_models,
    model_parser,
    show_faults,
    with_progress,
)
from musicssl.errors import InputError, check_output, printable, user_errors
from musicssl.inference.recordings import Recording, find_recordings

if TYPE_CHECKING:
    from musicssl.inference.ensemble import Ensemble
    from musicssl.inference.events import Event
    from musicssl.inference.prediction import Prediction
    from musicssl.inference.tables import Row

_EXAMPLES = """examples:
  musicssl predict best.ckpt song.mp3 album/ --out tags.csv
  musicssl predict best.ckpt concert.flac --timeline --labels audacity --picture
  musicssl predict best.ckpt album/ --top 3 --threshold val"""
_SHOWN = 20  # recordings that are printed one by one
_NAMED = 3  # classes of a printed recording


def main(argv: Sequence[str] | None = None) -> None:
    """Tag recordings with a trained network: a checkpoint, a run, or an exported folder."""
    options = _parser().parse_args(argv)
    with user_errors():
        faults = _Job(options).do()
    if faults:
        sys.exit(1)


class _Job:
    """The work of one command.

    Args:
        options: As typed.

    Raises:
        InputError: If an option is invalid.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.recordings = find_recordings(options.audio)
        from musicssl.inference.tables import check_suffix  # imports torch, as all that follows

        if options.out is not None:
            check_suffix(options.out)
            check_output(options.out, "--out")
        if options.labels or options.picture:
            check_output(options.folder, "--folder", is_folder=True)
        if options.top is not None and options.top < 1:
            raise InputError(f"--top is 1 or more, not {options.top}.")
        self.ensemble = _ensemble(options)
        self.thresholds = self._thresholds()

    def do(self) -> dict[Recording, str]:
        """Predict all recordings and write what was asked for; return the faults."""
        from musicssl.inference.tables import Row, write_table

        rows: list[Row] = []
        faults: dict[Recording, str] = {}
        outcomes = self.ensemble.predict_files([recording.path for recording in self.recordings])
        found_in = with_progress(self.recordings, outcomes, "predicting", lambda one: one.seconds)
        for recording, found in found_in:
            if isinstance(found, str):
                faults[recording] = found
            else:
                rows.append(self._row(recording, found))
        if self.options.out is not None:
            write_table(self.options.out, rows, self.options.timeline)
        self._show(rows, faults)
        return faults

    def _row(self, recording: Recording, found: "Prediction") -> "Row":
        """Decide about one recording, and write its files of labels and its picture."""
        from musicssl.inference.events import find_events
        from musicssl.inference.tables import Row

        options, decisions = self.options, self.ensemble.decisions
        if (options.timeline or options.labels or options.picture) and not len(found.times):
            raise InputError(
                "the models of the ensemble divide time differently, so that they have no scores "
                "over time together; leave out --timeline, --labels and --picture."
            )
        labels = None
        if options.top is not None:
            labels = found.top(options.top)
        if options.threshold is not None and self._has_classes:
            present = found.present(self.thresholds)
            labels = present if labels is None else [one for one in labels if one in present]
        events = None
        if (options.timeline or options.labels) and self._has_classes:
            events = find_events(found, *self._of_events())
        if options.calibrated and decisions is not None:
            found = found.calibrated(decisions)
        self._write_files(recording, found, events or [])
        return Row(recording, found, labels, events)

    def _of_events(self) -> tuple[NDArray[np.floating] | float, NDArray[np.floating] | float]:
        """Return thresholds and lengths of median filters: as typed, or chosen on validation."""
        options, decisions = self.options, self.ensemble.decisions
        thresholds, median = self.thresholds, options.median
        if decisions is None or decisions.median_seconds is None:
            return thresholds, median or 0.0
        if options.threshold in (None, "val") and decisions.event_thresholds is not None:
            thresholds = decisions.event_thresholds
        return thresholds, decisions.median_seconds if median is None else median

    def _write_files(
        self, recording: Recording, found: "Prediction", events: "Sequence[Event]"
    ) -> None:
        from musicssl.inference.label_files import write_audacity, write_jams

        target = self.options.folder / recording.target
        if self.options.labels or self.options.picture:
            target.parent.mkdir(parents=True, exist_ok=True)
        if "audacity" in self.options.labels:
            write_audacity(target.with_name(f"{target.name}.txt"), events)
        if "jams" in self.options.labels:
            write_jams(target.with_name(f"{target.name}.jams"), events, found.seconds)
        if self.options.picture:
            from musicssl.inference.picture import draw_prediction

            draw_prediction(target.with_name(f"{target.name}.png"), recording.path, found)

    @property
    def _has_classes(self) -> bool:
        return self.ensemble.task != "regression"

    def _thresholds(self) -> NDArray[np.floating] | float:
        """Return what decides: the number typed, or the thresholds chosen on validation.

        Raises:
            InputError: If those were asked for and there are none.
        """
        typed, decisions = self.options.threshold, self.ensemble.decisions
        if typed is not None and not self._has_classes:
            raise InputError("a regression has no classes to decide about; leave --threshold out.")
        if self.options.calibrated and decisions is None:
            raise InputError(_none_chosen("--calibrated", self.options.model))
        if typed in (None, "val"):
            if decisions is None and typed == "val":
                raise InputError(_none_chosen("--threshold val", self.options.model))
            return 0.5 if decisions is None else decisions.thresholds
        try:
            return float(typed)
        except ValueError:
            raise InputError(f"--threshold is val or a number, not {typed!r}.") from None

    def _show(self, rows: "Sequence[Row]", faults: dict[Recording, str]) -> None:
        for row in rows[:_SHOWN]:
            print(f"{row.shown}: {_summary(row)}")
        if len(rows) > _SHOWN:
            print(f"and {len(rows) - _SHOWN} more recordings.")
        if self.options.out is not None:
            print(f"Scores: {printable(str(self.options.out))}")
        if self.options.labels or self.options.picture:
            print(f"Labels and pictures: {printable(str(self.options.folder))}")
        show_faults(faults, len(self.recordings))


def _summary(row: "Row") -> str:
    """Name what was decided, or the likeliest classes, with their scores."""
    found = row.prediction
    scores = dict(zip(found.classes, found.scores, strict=True))
    names = row.labels if row.labels is not None else found.top(_NAMED)
    if found.task == "regression":
        names = found.classes
    return ", ".join(f"{printable(name)} {scores[name]:.2f}" for name in names) or "none"


def _none_chosen(option: str, model: str) -> str:
    return (
        f"{option} needs what is chosen on validation at the end of training, and {model} has "
        "none; train it again with this version, or give --threshold a number."
    )


def _ensemble(options: argparse.Namespace) -> "Ensemble":
    from musicssl.inference.ensemble import Ensemble

    return Ensemble(load_models((options.model, *options.ensemble), options))


def _parser() -> argparse.ArgumentParser:
    parser = model_parser("predict", main.__doc__, _EXAMPLES)
    add = parser.add_argument
    add("--out", type=Path, help="table of all scores, .csv or .json")
    add("--top", type=int, metavar="K", help="name the K classes with the greatest scores")
    threshold = "name the classes from a threshold up; val: those chosen on validation"
    add("--threshold", metavar="val|X", help=threshold)
    add("--calibrated", action="store_true", help="probabilities that fit the validation clips")
    timeline = "scores of each instance in --out, and events in JSON"
    add("--timeline", action="store_true", help=timeline)
    median = "s, median filter of events; by default that chosen on validation"
    add("--median", type=float, metavar="S", help=median)
    kinds = ("audacity", "jams")
    add("--labels", action="append", default=[], choices=kinds, help="write events of each")
    picture = "draw each recording: spectrum, scores and attention over time"
    add("--picture", action="store_true", help=picture)
    folder = "of labels and pictures; by default predictions/"
    add("--folder", type=Path, default=Path("predictions"), help=folder)
    another = "average with the scores of another model; repeatable"
    add("--ensemble", action="append", default=[], metavar="MODEL", help=another)
    add_model_options(parser)
    return parser
