"""What was measured here against the figures that are wanted: the last table of `make bench`.

The rows are those of gpu.py, measured on the CPU, and on the GPU if there is one, and runs trained
as one model, of stacked.py. The wanted figures are those of an H200, but for ratios on the CPU,
which say so. A row that fails, takes too long or is left out says so.

    python benchmarks/wanted.py [--small]
    python benchmarks/wanted.py --page docs/benchmarks.md       write the table into the page too
"""

import argparse
import datetime
import sys
import time
from pathlib import Path

import stacked
import torch
from gpu import ROWS, SECONDS, apart
from rich.console import Console
from rich.table import Table
from rounds import parser, read

BEGIN, END = "<!-- written by benchmarks/wanted.py -->", "<!-- end -->"
COLUMNS = ("", "CPU", "GPU", "wanted")
Lines = list[tuple[str, ...]]  # cells of COLUMNS


def measured(options: argparse.Namespace) -> Lines:
    """Measure all rows on each device that is there; one line for each."""
    found: dict[str, dict[str, str]] = {"cpu": {}, "cuda": {}}
    wanted: dict[str, str] = {}
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        begun, small = time.monotonic(), ["--small"] if options.small else []
        for row in options.rows:
            print(f"{row} on {device} ...", file=sys.stderr, flush=True)
            left = SECONDS - (time.monotonic() - begun)
            for name, figure, aim in apart(row, ["--device", device, *small], left):
                found[device][name] = figure
                wanted[name] = wanted.get(name) or aim
    other = "not measured" if torch.cuda.is_available() else "no GPU"
    lines: Lines = [
        (name, found["cpu"].get(name, "not measured"), found["cuda"].get(name, other), aim)
        for name, aim in wanted.items()
    ]
    left_out = [(row, "left out", "left out", "") for row in ROWS if row not in options.rows]
    return [*lines, *left_out, stacked_line(options)]


def stacked_line(options: argparse.Namespace) -> tuple[str, ...]:
    """Measure ten runs of ATT that train as one model, against one by one."""
    how = stacked.Options("cpu", *((2, 2) if options.small else (10, 30)))
    batch = 8 if options.small else 32
    times = stacked.measure("att", batch, 1 if options.small else 3, how)
    whole = times.pop("one by one")
    ratio = max(whole / milliseconds for milliseconds in times.values())
    name = f"{how.runs} runs of ATT trained together, against one by one, batch {batch}"
    return (name, f"{ratio:.2f} x", "see stacked.py", "1.3 x, on two cores of a CPU")


def as_page(lines: Lines, where: str) -> str:
    """Return the lines as a table of Markdown, between the marks of the page."""
    cells = [COLUMNS, ("---",) * len(COLUMNS), *lines]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in cells)
    return f"{BEGIN}\n{where}\n\n{rows}\n{END}"


def write(page: Path, section: str) -> None:
    """Replace what stands between the marks of a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"error: {page} lacks the marks {BEGIN} and {END}")
    page.write_text(before + section + after)


def main() -> None:
    """Measure, print the table, and write it into the page."""
    arguments = parser(__doc__)
    arguments.add_argument("--rows", nargs="+", choices=[*ROWS], default=[*ROWS])
    arguments.add_argument("--page", type=Path, help="with marks that the table is put between")
    options = read(arguments, rows=["att_bare"])
    if options.page is not None and options.small:
        raise SystemExit("error: with --small figures mean nothing; leave out --page.")
    lines = measured(options)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    where = (
        f"`make bench` on {datetime.date.today()}: {torch.get_num_threads()} CPU threads, {gpu}, "
        f"torch {torch.__version__}."
    )
    if options.page is not None:
        write(options.page, as_page(lines, where))
    table = Table(*COLUMNS, title=where.replace("`", ""))
    for line in lines:
        table.add_row(*line)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
