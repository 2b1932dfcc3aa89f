"""The model card: what a model is, what it was made from, how good it is, how to use it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from musicssl.documents import read_json
from musicssl.errors import printable
from musicssl.inference.description import Description

NOT_STATED = "not stated"
_METRICS = ("auroc", "map", "f1", "accuracy", "r2")  # of a card, those that a run has
_USE = """```python
import musicssl

model = musicssl.load("path/of/this/folder")
found = model.predict("song.mp3")  # found.scores, found.times, found.timeline
```

`musicssl predict path/of/this/folder song.mp3 --timeline` does the same in a shell."""
_NO_RUN = "The run of this checkpoint is not beside it, so its scores are not known here."


def model_card(description: Description, run: Path | None, licence: str = NOT_STATED) -> str:
    """Write the card of a model, Markdown.

    Args:
        description: Description of the network.
        run: Folder of the run; None if it is not known.
        licence: Licence of the weights, as the user typed it.
    """
    origin = description.origin
    name = printable(str(origin.get("name", "model")))
    lines = [
        "---",
        f"license: {'other' if licence == NOT_STATED else printable(licence)}",
        "library_name: musicssl",
        "tags: [audio, music, music-information-retrieval]",
        "---",
        f"# {name}",
        "",
        f"Scores {len(description.classes)} {_kind(description.task)} of sound, and when they "
        "occur. Trained with musicssl.",
        "",
        *_section("Classes", [", ".join(map(_text, description.classes))]),
        *_section("Training", _training(origin, run)),
        *_section("Scores", _scores(run)),
        *_section("Use", [_USE]),
        *_section("Licence", [f"{printable(licence)[:1].upper()}{printable(licence)[1:]}."]),
    ]
    return "\n".join(lines)


def _kind(task: str) -> str:
    return "values" if task == "regression" else "classes"


def _text(name: object) -> str:
    return printable(str(name)).replace("|", r"\|").replace("<", "&lt;")


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""]


def _training(origin: Mapping[str, Any], run: Path | None) -> list[str]:
    corpus = str(origin.get("dataset._target_", "")).split(".")
    method = str(origin.get("method._target_", "")).split(".")
    facts = {
        "Method": method[-2] if len(method) > 1 else None,
        "Corpus": corpus[-2] if len(corpus) > 1 else None,
        "Fraction of the labelled clips that kept their labels (p_s)": origin.get("data.p_s"),
        "Labelled share of a batch (b_s)": origin.get("data.b_s"),
        "Seed": origin.get("seed"),
        "musicssl": origin.get("version"),
        "Checkpoint, SHA-256": origin.get("checkpoint"),
    }
    lines = [f"- {name}: {_text(value)}" for name, value in facts.items() if value is not None]
    if facts["Method"] and facts["Corpus"]:
        words = [f"method={facts['Method']}", f"dataset={facts['Corpus']}"]
        typed = ("data.p_s", "data.b_s", "seed")
        words += [f"{key}={origin[key]}" for key in typed if key in origin]
        settings = "" if run is None else f"; other settings: {_text(run.parent.name)}"
        lines.append(f"- Command: `musicssl train {printable(' '.join(words))}`{settings}")
    labels = _result(run).get("labels") if run is not None else None
    if isinstance(labels, dict):
        lines.append(
            f"- Labels: {labels.get('labelled')} of {labels.get('train')} training clips kept "
            "theirs"
        )
    return lines


def _scores(run: Path | None) -> list[str]:
    results = [] if run is None else _of_all_seeds(run)
    if not results:
        return [_NO_RUN]
    lines = ["| metric, on the test split | this run | mean of seeds | deviation | seeds |"]
    lines.append("|---|---|---|---|---|")
    own = results[0]
    for name in _METRICS:
        if not isinstance(own.get(name), int | float):
            continue
        values = [r[name] for r in results if isinstance(r.get(name), int | float)]
        spread = f"{stdev(values):.3f}" if len(values) > 1 else "unknown from one seed"
        row = (name, f"{own[name]:.3f}", f"{mean(values):.3f}", spread, str(len(values)))
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _of_all_seeds(run: Path) -> list[dict[str, Any]]:
    """Return the mean metrics of a run, and of those that differ from it in the seed alone."""
    prefix = run.name.rpartition("_s")[0]
    others = [folder for folder in sorted(run.parent.glob(f"{prefix}_s*")) if folder != run]
    found = [_result(folder).get("macro") for folder in (run, *(others if prefix else []))]
    return [macro for macro in found if isinstance(macro, dict)]


def _result(run: Path) -> dict[str, Any]:
    try:
        return read_json(run / "metrics.json")
    except (OSError, ValueError):
        return {}  # an unfinished run has none
