"""Compare methods, and probes of what they learnt: `python -m musicssl.report runs`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from musicssl.errors import user_errors
from musicssl.report.analysis.probe_study import ProbeStudy, check_wishes, read_probe_study
from musicssl.report.analysis.study import Study, read_study
from musicssl.report.read.discovery import holding
from musicssl.report.write.markup import Table, markdown
from musicssl.report.write.probe_sentences import probe_notes, probe_verdict
from musicssl.report.write.sentences import notes, verdict
from musicssl.report.write.writing import write_report


def main(arguments: Sequence[str] | None = None) -> None:
    """Make tables, pictures, tests and a web page of all runs and probes under some folders."""
    parser = argparse.ArgumentParser(prog="python -m musicssl.report", description=main.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders that hold runs, at any depth")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write to")
    parser.add_argument(
        "--metric",
        help="for the main table and the curve; by default the one that sums up such runs: weighted "
        "accuracy, accuracy, AUROC or R²",
    )
    parser.add_argument(
        "--baseline",
        help="name of the method to compare with; else supervised, att or dnn; of probes, a "
        "network that has learnt nothing",
    )
    options = parser.parse_intermixed_args(arguments)
    with user_errors():
        probes = read_probe_study(options.runs, options.metric, options.baseline)
        study = None
        if probes is None or holding(options.runs, "metrics.json"):
            study = read_study(options.runs, options.metric, options.baseline)
        else:
            check_wishes(probes, options.metric, options.baseline)
        page = write_report(study, probes, options.out)
        show(study, probes)
        print(f"Report: {page}")


def show(study: Study | None, probes: ProbeStudy | None) -> None:
    """Print the tables and what they say."""
    grids: list[Table] = []
    lines = []
    if study is not None:
        grids += [*study.main_grids, *study.best_settings.tables, *study.chosen_grids]
        lines += [*verdict(study), *notes(study)]
    if probes is not None:
        grids += probes.grids
        lines += [*probe_verdict(probes), *probe_notes(probes)]
    for grid in grids:
        print(markdown(grid))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
