"""What is known of a corpus, counted: one row for each class."""

from rich.table import Table

from musicssl.corpus import SPLITS, Corpus


def corpus_table(corpus: Corpus) -> Table:
    """Tabulate the observed labels of each class, and those of them that are present, by split.

    A label counts as present from 0.5 on. Splits without clips are left out; the number in a head
    is that of the split's clips, labelled or not.
    """
    table = Table(title=corpus.name)
    table.add_column("class")
    counts: list[list[int]] = []
    for split in SPLITS:
        rows = corpus.indices(split)
        if len(rows) == 0:
            continue
        mask = corpus.mask[rows]
        for word, cells in (("observed", mask), ("present", mask & (corpus.y[rows] >= 0.5))):
            table.add_column(f"{word}\n{split} {len(rows)}", justify="right")
            counts.append(cells.sum(axis=0).tolist())
    for name, *row in zip(corpus.classes, *counts, strict=True):
        table.add_row(name, *map(str, row))
    table.add_section()
    table.add_row("all", *(str(sum(column)) for column in counts))
    return table
