"""Tables of probes: models over fractions of labels, and over corpora."""

from collections.abc import Sequence

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.spread import Spread, spread
from musicssl.report.analysis.grids import Grid
from musicssl.report.analysis.probe_boards import Bootstrapped, ProbeBoard, ProbedModel


def board_grid(board: ProbeBoard) -> Grid:
    """Lay out a board: a row for each model, a column for each fraction of labels."""
    rows = {
        model.label: tuple(_cell(model, p_s, board.metric) for p_s in board.p_s)
        for model in board.models
    }
    errors = tuple(range(len(board.p_s))) if metric_info(board.metric).smaller_is_better else ()
    columns = tuple(_fraction_head(board, p_s) for p_s in board.p_s)
    title = f"{board.metric_name}, {board.title}"
    return _noted(Grid(title, columns, rows, errors, "model"), chance_text(board))


def matrices(boards: Sequence[ProbeBoard]) -> list[Grid]:
    """Lay out models over corpora at the most labels, for each kind of probe with several corpora.

    Each corpus has its own usual metric.
    """
    kinds = sorted({board.probe for board in boards})
    of_kinds = [[board for board in boards if board.probe == kind] for kind in kinds]
    return [_matrix(some) for some in of_kinds if len(some) > 1]


def chance_text(board: ProbeBoard) -> str:
    """Say what the best constant answer reaches.

    The mean target of a regression is one, too.
    """
    return "chance unknown" if board.chance is None else f"chance {board.chance:.4f}"


def _matrix(boards: Sequence[ProbeBoard]) -> Grid:
    # The baselines of the boards first, the other models in the order of their labels.
    baselines = dict.fromkeys(board.baseline.label for board in boards)
    others = sorted({model.label for board in boards for model in board.models} - set(baselines))
    of_boards = [{model.label: model for model in board.models} for board in boards]
    rows = {
        label: tuple(
            _cell(models.get(label), board.p_s[-1], board.metric)
            for board, models in zip(boards, of_boards, strict=True)
        )
        for label in [*baselines, *others]
    }
    columns = tuple(f"{b.place}: {b.metric_name} at {percent(b.p_s[-1])}" for b in boards)
    errors = tuple(
        i for i, board in enumerate(boards) if metric_info(board.metric).smaller_is_better
    )
    title = f"{boards[0].probe} probes of {len(boards)} corpora at the most labels"
    chance = "; ".join(f"{board.place} {chance_text(board)}" for board in boards)
    return _noted(Grid(title, columns, rows, errors, "model"), chance)


def _noted(grid: Grid, chance: str) -> Grid:
    """Say what the cells of a table are, as far as there are such cells."""
    cells = [cell for row in grid.rows.values() for cell in row]
    notes = []
    if any(cell.n > 1 for cell in cells):
        notes.append(f"mean ± standard deviation over training seeds, {grid.seeds}")
    if any(isinstance(cell, Bootstrapped) for cell in cells):
        notes.append("95 % interval over test clips where there is one training")
    note = "; ".join([*notes, chance])
    return Grid(grid.title, grid.columns, grid.rows, grid.errors, grid.head, note)


def _cell(model: ProbedModel | None, p_s: float, metric: str) -> Spread:
    if model is None or p_s not in model.p_s:
        return spread([])
    return model.spread(p_s, metric)


def _fraction_head(board: ProbeBoard, p_s: float) -> str:
    clips = {model.labelled(p_s) for model in board.models if p_s in model.p_s}
    return percent(p_s) + (f" ({clips.pop():,})" if len(clips) == 1 else "")
