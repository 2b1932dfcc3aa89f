"""The folder of one probe: its settings and its results.

config.yaml        the resolved configuration
probe.json         the results; written last, so its presence says the probe is complete
fits.csv           a row for each fit: fraction of labels, draw, what was chosen, test metrics
metrics.csv        test metrics of each class, with the most labels
predictions.npz    test scores of each fit, targets, mask, clip_ids and classes
layers.csv         of embeddings with layers: a row for each layer and draw
robustness.csv     test results under corruptions of the sound, with corruption=...
figures/
"""

import logging
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musicssl.cache import discard
from musicssl.documents import write_atomically
from musicssl.errors import InputError
from musicssl.runs.folder import ResultFolder
from musicssl.runs.pretrained import encoder_label
from musicssl.runs.settings import differences, settings_text, shortened

_log = logging.getLogger(__name__)
_NO_BEARING = ("batch_size",)  # clips that are embedded at a time


class ProbeFolder(ResultFolder):
    """Paths in the folder of a probe."""

    results = "probe.json"

    @property
    def fits(self) -> Path:
        """The table of fits."""
        return self.path / "fits.csv"

    @property
    def layers(self) -> Path:
        """The table of layers."""
        return self.path / "layers.csv"

    @property
    def predictions(self) -> Path:
        """Scores of the test clips."""
        return self.path / "predictions.npz"

    def document(self) -> dict[str, Any]:
        """Return the results; see `ResultFolder.result`."""
        return self.result()

    def check(self, settings: Mapping[str, Any]) -> None:
        """Make sure that the folder is free, or holds a probe on the same corpus.

        Overrides that are part of the folder's name cannot differ; places of files are not.

        Raises:
            InputError: If the folder holds a probe on another corpus.
        """
        if not self.config.exists():
            return
        both = (self.settings(), settings)
        earlier, now = (_corpus_settings(one, self.config) for one in both)
        changed = differences(earlier, now)
        if changed:
            raise InputError(
                f"{self.path} holds a probe on another corpus ({', '.join(changed[:3])}); give "
                "this one a name of its own (name=...) or set overwrite=true."
            )

    def holds(self, made_of: str) -> bool:
        """Say whether the results are there that follow from some fingerprint.

        Damaged ones are not; a warning says so.
        """
        if not self.is_complete:
            return False
        try:
            return bool(self.document().get("made_of") == made_of)
        except InputError:
            _log.warning("%s is damaged, so the probe is done again.", self.metrics)
            return False

    def claim(self, settings: Mapping[str, Any]) -> None:
        """Take the folder for a probe; what another one left in it goes."""
        tables = (self.fits, self.layers, self.predictions, self.robustness)
        for place in (self.metrics, *tables, self.figures, self.config):
            discard(place)
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.config, settings_text(settings))


def _corpus_settings(settings: Mapping[str, Any], file: Path) -> dict[str, Any]:
    if "dataset" not in settings or not isinstance(settings.get("data"), Mapping):
        raise InputError(
            f"{file} is damaged, it names no corpus; restore it, or remove its folder."
        )
    data = {key: value for key, value in settings["data"].items() if key not in _NO_BEARING}
    return {"dataset": settings["dataset"], "data": data}


def embeddings_files(embeddings: Any) -> tuple[Path, ...]:
    """Return the files that `embeddings=FILE` or `embeddings.file=FILE` names, if any."""
    files = embeddings.get("file") if isinstance(embeddings, Mapping) else embeddings
    if files is None:
        return ()
    several = isinstance(files, Sequence) and not isinstance(files, str)
    return tuple(Path(str(file)).expanduser() for file in (files if several else [files]))


def probe_folder(
    checkpoint: str | None,
    embeddings: Any,
    runs: str,
    name: str | None,
    encoder: Any,
    choices: Mapping[str, str | None],
) -> str:
    """Return the folder of a probe but for its overrides, `HOME/NAME/PROBE`.

    Args:
        checkpoint: Its path, if it is one that is probed.
        embeddings: The setting of this name.
        runs: Folder of all runs.
        name: Used instead of the word typed after `dataset=`.
        encoder: The settings of the encoder, if one is probed.
        choices: Hydra's, from a group to the option that was chosen.
    """
    files = embeddings_files(embeddings)
    untrained = encoder_label(str(choices["encoder"]), encoder)
    place = _home(checkpoint, files, untrained, runs)
    corpus = name or choices["dataset"] or ("own_labels" if files else "own_corpus")
    return str(place / "/".join(map(shortened, corpus.split("/"))) / str(choices["probe"]))


def _home(checkpoint: str | None, embeddings: Sequence[Path], encoder: str, runs: str) -> Path:
    """Return the folder for all probes of something: in its run, or else in `runs`/probes.

    Args:
        checkpoint: Its path, if it is one.
        embeddings: Their files, if they are some.
        encoder: What it is called, if it is neither.
        runs: Folder of all runs.
    """
    if checkpoint is not None and (run := run_of(Path(checkpoint))) is not None:
        stem = Path(checkpoint).stem
        return run / "probes" / ("" if stem == "best" else stem)
    place = Path(runs).absolute() / "probes"
    files = [Path(checkpoint)] if checkpoint is not None else embeddings
    if not files:
        return place / shortened(encoder)
    paths = [file.expanduser().absolute() for file in files]
    stems, key = "+".join(path.stem for path in paths), "\n".join(map(str, paths))
    return place / f"{shortened(stems)}-{zlib.crc32(key.encode()):08x}"


def run_of(checkpoint: Path) -> Path | None:
    """Return the folder of the run that a checkpoint is of; None if it lies elsewhere."""
    place = checkpoint.expanduser().absolute().parent
    is_run = place.name == "checkpoints" and (place.parent / "config.yaml").is_file()
    return place.parent if is_run else None
