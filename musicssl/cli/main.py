"""`musicssl COMMAND ...`: the commands of musicssl, each imported only when it is asked for."""

import difflib
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path

import musicssl
from musicssl.cli.exits import signals_heard
from musicssl.errors import InputError, user_errors

_USAGE = """usage: musicssl COMMAND ...

  musicssl train method=att data.p_s=0.1     train, test and show a run; -m sweeps
  musicssl probe checkpoint=best.ckpt        evaluate a checkpoint's embeddings
  musicssl predict best.ckpt song.mp3        tag recordings; --timeline: who plays when
  musicssl embed best.ckpt dir/ --out h.npz  embeddings of recordings; --time, --layers
  musicssl latents best.ckpt                 measures of a latent space: MIG, traversals
  musicssl export best.ckpt model/           a model for others: safetensors, ONNX
  musicssl report runs/att runs/dgm          compare runs: tables, curves, tests
  musicssl data gtzan --root /data/gtzan     count, download and prepare a corpus

musicssl COMMAND --help explains a command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command of musicssl.

    Args:
        arguments: The command and what follows it; None for those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    with user_errors(), signals_heard():
        if not words or words[0] in ("-h", "--help"):
            print(_USAGE)
            return
        name, *rest = words
        if name not in _COMMANDS:
            raise InputError(_unknown("command", name, _COMMANDS, "musicssl --help"))
        _COMMANDS[name](rest)


def _train(arguments: list[str]) -> None:
    from musicssl.cli import train

    sys.argv[1:] = arguments  # Hydra reads the process's own
    train.main()


def _probe(arguments: list[str]) -> None:
    from musicssl.cli import probe

    sys.argv[1:] = arguments
    probe.main()


def _report(arguments: list[str]) -> None:
    from musicssl.report.__main__ import main as write_report

    write_report(arguments)


def _predict(arguments: list[str]) -> None:
    from musicssl.cli.predict import main as predict

    predict(arguments)


def _embed(arguments: list[str]) -> None:
    from musicssl.cli.embed import main as embed

    embed(arguments)


def _latents(arguments: list[str]) -> None:
    from musicssl.cli.latents import main as latents

    latents(arguments)


def _export(arguments: list[str]) -> None:
    from musicssl.cli.export import main as export

    export(arguments)


def _data(arguments: list[str]) -> None:
    folder = Path(musicssl.__file__).parent / "datasets"
    names = [file.stem for file in sorted(folder.glob("*.py")) if "__main__" in file.read_text()]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(
            f"usage: musicssl data CORPUS --root FOLDER ...\n\nCORPUS is one of {', '.join(names)}."
        )
        return
    if arguments[0] not in names:
        raise InputError(_unknown("corpus", arguments[0], names, "musicssl data --help"))
    sys.exit(import_module(f"musicssl.datasets.{arguments[0]}").main(arguments[1:]))


_COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "train": _train,
    "probe": _probe,
    "predict": _predict,
    "embed": _embed,
    "latents": _latents,
    "export": _export,
    "report": _report,
    "data": _data,
}


def _unknown(kind: str, name: str, choices: Iterable[str], lists: str) -> str:
    alike = difflib.get_close_matches(name, list(choices), n=1)
    guess = f"did you mean {alike[0]}?" if alike else f"{lists} lists them."
    return f"there is no {kind} {name!r}; {guess}"


if __name__ == "__main__":
    main()
