"""The files of a report that are about probes."""

import re
from pathlib import Path

from musicssl.evaluation.metrics import percent
from musicssl.figures.label_curve import Point, draw_label_curves
from musicssl.figures.saving import save_png
from musicssl.report.analysis.probe_boards import ProbeBoard
from musicssl.report.analysis.probe_grids import chance_text
from musicssl.report.analysis.probe_study import ProbeStudy
from musicssl.report.write.csv_files import write_probe_comparisons, write_probes


def write_probe_files(study: ProbeStudy | None, folder: Path) -> list[Path | None]:
    """Write probes.csv, probe_comparisons.csv and a picture of each board, probes_*.png.

    Those of an earlier report are removed.

    Returns:
        The picture of each board; None if it has a single fraction of labels.
    """
    earlier = [folder / "probes.csv", folder / "probe_comparisons.csv"]
    for file in [*earlier, *folder.glob("probes_*.png")]:
        file.unlink(missing_ok=True)
    if study is None:
        return []
    write_probes(folder / "probes.csv", study.boards)
    write_probe_comparisons(folder / "probe_comparisons.csv", study)
    names = [re.sub(r"\W+", "_", f"{b.place}_{b.probe}").strip("_") for b in study.boards]
    return [
        _draw(board, folder / f"probes_{name}{_number(names[:place].count(name))}.png")
        for place, (board, name) in enumerate(zip(study.boards, names, strict=True))
    ]


def _number(earlier: int) -> str:
    return f"_{earlier + 1}" if earlier else ""


def _draw(board: ProbeBoard, path: Path) -> Path | None:
    if len(board.p_s) == 1:
        return None
    curves = {
        model.label: [
            Point(percent(p_s), model.labelled(p_s), model.values(p_s, board.metric))
            for p_s in model.p_s
        ]
        for model in board.models
    }
    title = f"{board.title[0].upper()}{board.title[1:]}; {chance_text(board)}"
    share = "their share of all labelled ones"
    return save_png(path, draw_label_curves(curves, board.metric_name, title, share))
