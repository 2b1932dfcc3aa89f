"""Which runs of a report compare: those of one corpus, tested and validated on the same clips."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from musicssl.report.analysis.grouping import unique_labels
from musicssl.report.read.runs import Run
from musicssl.report.read.settings import ABSENT

_OF_VALIDATION = ("data.val_fraction", "data.split_seed")  # settings that choose validation clips

_Key = tuple[int, tuple[str, ...]]


def sections_of(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Sort runs into sections, in the order of their titles.

    Args:
        runs: Those that were tested on the same clips share one `EvaluationSet`.

    Returns:
        The runs of each section by its title: the corpus, and the settings that tell it from other
        sections of the same corpus. If no setting does, for example after a change of labels,
        sections are numbered.
    """
    sections: defaultdict[_Key, list[Run]] = defaultdict(list)
    for run in runs:
        sections[id(run.test_set), _validation(run)].append(run)
    members = list(sections.values())
    labels = unique_labels([(corpus_name(some[0]), _conditions(some[0])) for some in members])
    titled = dict(zip(_numbered(labels), members, strict=True))
    return dict(sorted(titled.items()))


def corpus_name(run: Run) -> str:
    """Return the name of the class of the corpus that a run was tested on."""
    return run.test_set.corpus.get("dataset._target_", "one corpus").rpartition(".")[2]


def _validation(run: Run) -> tuple[str, ...]:
    return tuple(run.settings.get(key, ABSENT) for key in _OF_VALIDATION)


def _conditions(run: Run) -> Mapping[str, str]:
    """Return what may tell a section from others, by path."""
    test_set = run.test_set
    sizes = {"test.clips": len(test_set.clip_ids), "test.classes": len(test_set.classes)}
    validation = dict(zip(_OF_VALIDATION, _validation(run), strict=True))
    shown = {key: str(size) for key, size in sizes.items()}
    return {**test_set.corpus, **validation, **shown, "task": test_set.task}


def _numbered(labels: Sequence[str]) -> list[str]:
    """Number the labels that occur more than once."""
    labels = [label.removesuffix(" ()") for label in labels]
    return [
        f"{label}, {labels[:index].count(label) + 1} of {labels.count(label)}"
        if labels.count(label) > 1
        else label
        for index, label in enumerate(labels)
    ]
