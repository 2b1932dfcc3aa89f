"""`--help` of a command: its choices and settings, with a word on each, from conf/ itself."""

import re
import textwrap
from pathlib import Path

_WIDTH = 100
GROUPS = {  # what an option of each is
    "augment": "changes of a clip, for a place: augment@views.student=strong",
    "baseline": "features and classifier of method=baseline",
    "dataset": "the corpus",
    "encoder": "the network from a clip to embeddings of its instances",
    "experiment": "a recipe: several choices and settings at once",
    "features": "what a clip is made of",
    "launcher": "where the jobs of a sweep run (with -m or sweep=...)",
    "likelihood": "of the features, for generative methods",
    "autoencoder": "encoder and decoder of methods that regularise latent variables",
    "logger": "a dashboard or log beside the files of the run",
    "loss": "of the classifier, instead of that of the task",
    "method": "the way to learn from labelled and unlabelled clips",
    "mixing": "mixes of two clips, for methods that learn from labels",
    "optimizer": "the optimizer",
    "pooling": "from the instances of a clip to one answer",
    "probe": "the model that is fitted to embeddings",
    "schedule": "of the learning rate",
    "similarity": "how alike two sets of labels are, for semisupcon and supcon",
    "sweep": "several runs with one command",
    "thresholds": "which predictions become pseudo-labels, for fixmatch and simmatch",
    "trainer": "device and length of training",
    "unlabelled": "a second corpus, for its audio alone: any of dataset",
    "views": "changes of clips for methods that compare them",
}
_CHOICE = re.compile(r"\$\{hydra:runtime\.choices\.(\w+)\}")  # its option
_ENVIRONMENT = re.compile(r"\$\{oc\.env:\w+,(\w+)\}")  # its default
_BESIDE = {  # chosen in other choices
    "train": ("augment", "autoencoder", "baseline", "likelihood", "thresholds"),
    "probe": (),
}


def help_text(conf: Path, command: str) -> str:
    """Return what `--help` prints.

    Args:
        conf: The folder of the configuration files.
        command: "train" or "probe".
    """
    text = (conf / f"{command}.yaml").read_text()
    template = textwrap.dedent(text.partition("template: |\n")[2])
    head = template.partition("== Choices")[0].rstrip()
    parts = [
        head,
        "\n== Choices: group=option ==",
        *(_group_lines(conf, group) for group in _groups(text, command)),
        "\n== Settings: key=value, such as data.p_s=0.1 ==",
        _settings(text),
        f"\n{command}.py method=dgm --help lists the settings of a choice."
        if command == "train"
        else f"\n{command}.py probe=mlp --help lists the settings of a choice.",
    ]
    return "\n".join(parts)


def _groups(text: str, command: str) -> list[str]:
    defaults = text.partition("defaults:\n")[2].partition("\n\n")[0]
    return sorted([*re.findall(r"^  - (\w+):", defaults, re.MULTILINE), *_BESIDE[command]])


def _group_lines(conf: Path, group: str) -> str:
    what = GROUPS.get(group, "")
    if group == "unlabelled":  # a link to dataset
        return f"{group:<11} {what}"
    options = ", ".join(sorted(file.stem for file in (conf / group).glob("*.yaml")))
    lines = textwrap.wrap(options, _WIDTH - 14, break_on_hyphens=False)
    return "\n".join([f"{group:<11} {what}", *(f"{'':14}{line}" for line in lines)])


def _settings(text: str) -> str:
    """Return the settings with their comments; what only repeats or builds others is left out."""
    body = text.partition("\n\n")[2].partition("\nhydra:")[0]
    lines = []
    for line in body.splitlines():
        key, _, value = line.partition("#")[0].strip().partition(":")
        internal = key.startswith("_") or value.strip() == f"${{{key}}}"
        repeated = key in GROUPS and value.strip() == "null"
        if line.strip() and not internal and not repeated:
            lines.append(_ENVIRONMENT.sub(r"\1", _CHOICE.sub(r"(\1)", line)))
    return "\n".join(lines)
