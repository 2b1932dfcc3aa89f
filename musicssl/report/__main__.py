"""Compare methods, and probes of their embeddings: `musicssl report runs`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from musicssl.errors import InputError, check_output, printable, user_errors
from musicssl.report.analysis.probe_study import check_options, read_probe_study
from musicssl.report.analysis.study import read_studies
from musicssl.report.write.files import write_report
from musicssl.report.write.formats import plain
from musicssl.report.write.view import ReportView, view_report

_MOST_REASONS = 3  # that an error names


def main(argv: Sequence[str] | None = None) -> None:
    """Make tables, pictures, tests and a web page of all runs and probes under some folders."""
    options = _parser().parse_intermixed_args(argv)
    with user_errors():
        check_output(options.out, "--out", is_folder=True)
        studies = read_studies(options.runs, options.metric, options.baseline)
        probes = read_probe_study(options.runs, options.metric, options.baseline)
        if not studies.sections:
            check_options(probes, options.metric, options.baseline)
        report = view_report(studies, probes)
        if not report.sections and report.probes is None:
            raise _nothing_found(options.runs, report.left_out)
        page = write_report(report, studies.sections, probes, options.out, options.vector)
        show(report)
        print(f"Report: {printable(str(page))}")


def show(report: ReportView) -> None:
    """Print the main tables and the findings, section by section, and what is left out."""
    parts = [
        (section.headline if section.section else None, section.screen_tables, section.findings)
        for section in report.sections
    ]
    if report.probes is not None:
        parts.append((None, report.probes.tables, report.probes.verdict))
    for headline, tables, findings in parts:
        if headline is not None:
            print(f"\n{printable(headline)}\n")
        for table in tables:
            print(plain(table))
        print("\n".join(map(printable, findings)))
    for sentence in report.left_out:
        print(printable(sentence))


def _nothing_found(folders: Sequence[Path], left_out: Sequence[str]) -> InputError:
    names = ", ".join(map(str, folders))
    reasons = " ".join(left_out[:_MOST_REASONS])
    more = len(left_out) - _MOST_REASONS
    reasons += f" And {more} more." if more > 0 else ""
    cure = reasons or "Train one, or name the folder of runs."
    return InputError(f"there is no complete run under {names}. {cure}")


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
    vector = "write the pictures as SVG and PDF too, for papers"
    parser.add_argument("--vector", action="store_true", help=vector)
    return parser


if __name__ == "__main__":
    main()
