"""Compare methods, and probes of their embeddings: `musicssl report runs`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from musicssl.errors import user_errors
from musicssl.report.analysis.probe_study import check_options, read_probe_study
from musicssl.report.analysis.study import read_study
from musicssl.report.read.files import folders_with
from musicssl.report.write.files import write_report
from musicssl.report.write.formats import markdown
from musicssl.report.write.view import ReportView, view_report


def main(argv: Sequence[str] | None = None) -> None:
    """Make tables, pictures, tests and a web page of all runs and probes under some folders."""
    options = _parser().parse_intermixed_args(argv)
    with user_errors():
        probes = read_probe_study(options.runs, options.metric, options.baseline)
        study = None
        if probes is None or folders_with(options.runs, "metrics.json"):
            study = read_study(options.runs, options.metric, options.baseline)
        else:
            check_options(probes, options.metric, options.baseline)
        report = view_report(study, probes)
        page = write_report(report, study, probes, options.out)
        show(report)
        print(f"Report: {page}")


def show(report: ReportView) -> None:
    """Print the main tables and the findings."""
    for table in report.main_tables:
        print(markdown(table))
    print("\n".join(report.findings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="musicssl report", description=main.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders that hold runs, at any depth")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write to")
    parser.add_argument(
        "--metric",
        help="for the main table and the curve; by default the one that sums up such runs: "
        "weighted accuracy, accuracy, AUROC or R²",
    )
    parser.add_argument(
        "--baseline",
        help="name of the method to compare with; by default supervised, att or dnn; of probes, "
        "an untrained network",
    )
    return parser


if __name__ == "__main__":
    main()
