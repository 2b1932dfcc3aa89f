"""What is known of a corpus, counted: one row for each class."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from musicssl.data.corpus import SPLITS, Corpus

Column = Callable[[NDArray[np.float32]], str]


def corpus_table(corpus: Corpus) -> Table:
    """Tabulate the observed labels of each class, and those of them that are present, by split.

    A label counts as present from 0.5 on. In a regression there are the least value, the mean and
    the greatest value instead. Splits without clips are left out; the number in a head is that of
    the split's clips, labelled or not.
    """
    table = Table(title=corpus.name)
    table.add_column("class")
    columns, totals = _VALUES if corpus.task == "regression" else _LABELS, []
    rows: list[list[str]] = [[] for _ in corpus.classes]
    for split in SPLITS:
        clips = corpus.indices(split)
        if len(clips) == 0:
            continue
        y, mask = corpus.y[clips], corpus.mask[clips]
        for word, text in columns.items():
            table.add_column(f"{word}\n{split} {len(clips)}", justify="right")
            for row, values, seen in zip(rows, y.T, mask.T, strict=True):
                row.append(text(values[seen]))
            totals.append(text(y[mask]) if word in _LABELS else "")
    for name, row in zip(corpus.classes, rows, strict=True):
        table.add_row(name, *row)
    table.add_section()
    table.add_row("all", *totals)
    return table


def _value(statistic: Callable[[NDArray[np.float32]], np.floating]) -> Column:
    return lambda observed: f"{statistic(observed):.4g}" if len(observed) else "–"


_LABELS: Mapping[str, Column] = {
    "observed": lambda observed: str(len(observed)),
    "present": lambda observed: str(np.count_nonzero(observed >= 0.5)),
}
_VALUES: Mapping[str, Column] = {
    "observed": _LABELS["observed"],
    "least": _value(np.min),
    "mean": _value(np.mean),
    "greatest": _value(np.max),
}
