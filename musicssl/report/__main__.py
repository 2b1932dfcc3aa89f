"""Compare methods over fractions of labels and seeds: `python -m musicssl.report runs`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from musicssl.command_line import user_errors
from musicssl.report.markup import markdown
from musicssl.report.sentences import notes, verdict
from musicssl.report.study import read_study
from musicssl.report.writing import write_report


def main(arguments: Sequence[str] | None = None) -> None:
    """Make tables, pictures, tests and a web page of all complete runs under some folders."""
    parser = argparse.ArgumentParser(prog="python -m musicssl.report", description=main.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders that hold runs, at any depth")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write to")
    parser.add_argument(
        "--metric", help="for the main table and the curve; else auroc, or r2 of a regression"
    )
    parser.add_argument(
        "--baseline", help="name of the method to compare with; else supervised, or att"
    )
    options = parser.parse_intermixed_args(arguments)
    with user_errors():
        study = read_study(options.runs, options.metric, options.baseline)
        page = write_report(study, options.out)
        for grid in study.main_grids:
            print(markdown(grid))
        print("\n".join([*verdict(study), *notes(study)]))
        print(f"Report: {page}")


if __name__ == "__main__":
    main()
