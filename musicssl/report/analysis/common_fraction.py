"""What some runs have and others may lack."""

from collections.abc import Callable, Sequence

from musicssl.report.analysis.grouping import Method, fractions
from musicssl.report.read.runs import Run


def covered(methods: Sequence[Method], has: Callable[[Run], bool]) -> float | None:
    """Return the largest p_s at which every method has runs and all of them have something.

    Args:
        methods: At least one.
        has: Says of a run whether it does.

    Returns:
        None if there is no such fraction.
    """
    complete = [
        p_s
        for p_s in fractions(methods)
        if all(p_s in m.cells and all(map(has, m.cells[p_s].runs.values())) for m in methods)
    ]
    return max(complete, default=None)
