"""Pages that are written from the source: one of each method and corpus, and the encoders.

A page begins with the file of its name under docs/, if there is one; what the source says follows.
A new file under conf/method, conf/dataset or conf/encoder appears by itself.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from docs.scripts.choices import choices_page
from docs.scripts.conf_files import ConfFile, options, read
from docs.scripts.docstrings import arguments_of, text_of
from docs.scripts.encoders import encoders_page
from docs.scripts.tables import settings_table, table

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
_OF_ROOT = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
_FAMILIES = {  # by the common file of their settings, in conf/method/base
    "": "From labelled clips",
    "semi_supervised": "From labelled and unlabelled clips: consistency and pseudo-labels",
    "representation": "Embeddings, evaluated by a linear probe",
    "generative": "Generative models",
    "latents": "Latent variables: independent, or one for each attribute",
    "distillation": "From a teacher",
}


def page_names() -> list[str]:
    """Return the paths of all these pages below docs/, without writing them."""
    methods = [f"methods/{name}.md" for name in options("method")]
    corpora = [f"corpora/{name}.md" for name in options("dataset")]
    return [
        *methods,
        *corpora,
        "methods/index.md",
        "corpora/index.md",
        "choices.md",
        *_OF_ROOT,
        "encoders.md",
    ]


def written_pages() -> dict[str, str]:
    """Return the Markdown of the pages of methods and corpora, of changes and contributing."""
    methods = {f"methods/{name}.md": method_page(name) for name in options("method")}
    corpora = {f"corpora/{name}.md": corpus_page(name) for name in options("dataset")}
    lists = {
        "methods/index.md": _begin("methods/index.md", "Methods") + _families(),
        "corpora/index.md": _begin("corpora/index.md", "Corpora") + _corpora(),
        "choices.md": _begin("choices.md", "Choices and settings") + choices_page(),
    }
    return methods | corpora | lists | {page: _of_root(file) for page, file in _OF_ROOT.items()}


def measured_pages() -> dict[str, str]:
    """Return the pages for which networks are built: encoders and poolings."""
    return {"encoders.md": _begin("encoders.md", "Encoders and poolings") + encoders_page()}


def method_page(name: str) -> str:
    """Return the page of a method."""
    conf = read("method", name)
    module, _, called = conf.target.rpartition(".")
    found = getattr(import_module(module), called)
    example = f"\n{conf.sentence}\n\n```bash\npython train.py method={name}\n```\n"
    return (
        _begin(f"methods/{name}.md", name, example)
        + f"\n## What it does\n\n{text_of(found.__doc__)}\n"
        + _settings(conf, f"method={name}", arguments_of(found))
        + f"\nSource: `{module.replace('.', '/')}.py`, `conf/method/{name}.yaml`.\n"
    )


def corpus_page(name: str) -> str:
    """Return the page of a corpus."""
    conf = read("dataset", name)
    module = import_module(f"musicssl.datasets.{name}")
    path = f"musicssl/datasets/{name}.py"
    commands = _corpus_commands(name, (ROOT / path).read_text())
    return (
        _begin(f"corpora/{name}.md", name, commands)
        + f"\n## About this corpus\n\n{text_of(module.__doc__)}\n"
        + _how_to_get(module)
        + _settings(conf, f"dataset={name}", {})
        + f"\nSource: `{path}`, `conf/dataset/{name}.yaml`.\n"
    )


def _how_to_get(module: ModuleType) -> str:
    """Return what the class of a corpus says of getting it, if it says something."""
    own = [c for c in vars(module).values() if getattr(c, "__module__", "") == module.__name__]
    said = [c.get for c in own if isinstance(c, type) and isinstance(getattr(c, "get", 0), str)]
    return f"\n## How to get it\n\n{said[0][:1].upper()}{said[0][1:]}.\n" if said else ""


def _begin(page: str, title: str, otherwise: str = "") -> str:
    """Return the file of this name under docs/, or else a heading and what follows it."""
    file = DOCS / page
    return file.read_text() if file.is_file() else f"# {title}\n{otherwise}"


def _corpus_commands(name: str, source: str) -> str:
    lines = [f"python train.py dataset={name} data.root=/data/{name}"]
    if "__main__" in source:
        look = f"musicssl data {name} --root /data/{name}"
        download = [f"{look} --download   # resumable"] if "download=" in source else []
        prepare = f"{look} --prepare    # decode all of it once, into a clip store"
        lines = [*download, f"{look}   # clips, classes, missing and broken files", prepare, *lines]
    return "\n```bash\n" + "\n".join(lines) + "\n```\n"


def _settings(conf: ConfFile, choice: str, arguments: dict[str, str]) -> str:
    chosen = ", ".join(f"`{group}={option}`" for group, option in conf.chosen.items())
    also = f"\n`{choice}` also chooses {chosen}, unless you type others.\n" if chosen else ""
    own = settings_table(conf, arguments) if conf.settings else "There are none of its own.\n"
    return f"\n## Settings\n\n{own}{also}"


def _families() -> str:
    methods = {name: read("method", name) for name in options("method")}
    bases = dict.fromkeys([*_FAMILIES, *(conf.base for conf in methods.values())])
    parts = []
    for base in bases:
        rows = [
            (f"[`{name}`]({name}.md)", conf.sentence)
            for name, conf in methods.items()
            if conf.base == base
        ]
        parts.append(f"\n## {_FAMILIES.get(base, base)}\n\n{table(('`method=`', 'idea'), rows)}")
    return "".join(parts)


def _corpora() -> str:
    rows = [
        (f"[`{name}`]({name}.md)", read("dataset", name).sentence) for name in options("dataset")
    ]
    return f"\n## All of them\n\n{table(('`dataset=`', 'what it is'), rows)}"


def _of_root(name: str) -> str:
    """Return a page of the top of the repository, its links as seen from docs/."""
    text = (ROOT / name).read_text().replace("](docs/", "](")
    for page, file in _OF_ROOT.items():
        text = text.replace(f"]({file}", f"]({page}")
    return text
