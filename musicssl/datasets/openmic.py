"""OpenMIC-2018: twenty instruments in ten seconds of music, with few observed labels.

Humphrey, Durand and McFee, ISMIR 2018; https://zenodo.org/record/1432913 (CC BY 4.0; the licences
of the single recordings are in its metadata file). 20,000 clips: 14,915 for training and 5,085 for
testing, no artist in both, no official validation set. Each clip has ten VGGish vectors of bytes,
and its sound.

The folder as its archive unpacks; files in brackets are optional:

    openmic-2018/
      class-map.json                       instrument -> column
      openmic-2018.npz                     X, Y_true, Y_mask, sample_key
      openmic-2018-aggregated-labels.csv   sample_key, instrument, relevance, num_responses
      partitions/split01_{train,test}.csv  or {train,test}01.txt: a key per line, no header
      [openmic-2018-metadata.csv]          of the Free Music Archive; its artist_id groups the clips
      audio/000/000046_3840.ogg            audio/{key[:3]}/{key}.ogg, 44.1 kHz stereo

The VGGish instances can be used without the audio, and the audio without the npz.

The rows of the npz are in the order of the sorted keys. Its `sample_key` is a pickle and is never
loaded: the keys come from the partitions, and the order is checked by comparing the labels, which
are in the CSV and in the npz. If two lines of the CSV rate the same instrument of a clip, the later
one is used, as in the script that made the npz.

Errata (README of the corpus): ten FMA sources were corrupt when the labels were collected (071826,
071827, 087435, 095253, 095259, 095263, 102144, 113025, 113604, 138485). The authors corrected the
three wrong labels to "present": piano in 095253_134400, mallet_percussion in 095263_96000, trumpet
in 113025_99840. We change nothing.

`python -m musicssl.datasets.openmic --root DIR [--download]` downloads the corpus, shows its
content, and checks its audio.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.decode import read_audio
from musicssl.audio.instance_features import InstanceFeatures
from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.corpus import Corpus
from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.download import Archive, fetch_unpacked
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.openmic import (
    CLASS_MAP,
    CLASSES,
    FEATURES,
    FOLDER,
    GET,
    INSTANCE_SECONDS,
    LABELS,
    MARKS,
    REDOWNLOAD_HINT,
    SAMPLE_RATE,
    audio_path,
    check_class_map,
    check_complete,
    check_same,
    openmic_folder,
    read_artists,
    read_instances,
    read_labels,
    read_partitions,
    read_stored_labels,
)
from musicssl.errors import InputError

ARCHIVE = Archive(
    url="https://zenodo.org/record/1432913/files/openmic-2018-v1.0.0.tgz",
    checksum="md5:e4ccf187e2bb5ab2e115416e8aafe7f4",
)


def openmic(
    root: str | Path | None,
    source: str = "auto",
    features: InstanceFeatures | Waveform | None = None,
    scaling: str = "unit",
    labels: str = "csv",
    threshold: float = 0.5,
    cache: str | Path = "cache",
    unreadable: Literal["error", "skip"] = "error",
    num_workers: int = -1,
) -> "OpenMIC | OpenMICAudio":
    """Return the corpus with the VGGish instances of the clips, or with their audio.

    Args:
        root: The folder `openmic-2018`, or its parent folder.
        source: "vggish", "audio", or "auto": audio if `features` is `Waveform`, else VGGish.
        features: Features of the audio; ignored for VGGish.
        scaling: Scaling of the bytes of VGGish; see `OpenMIC`.
        labels: File of the labels; see `OpenMIC` and `OpenMICAudio`.
        threshold: Relevance from which on an observed instrument is present, in (0, 1].
        cache: Folder of data derived from the audio.
        unreadable: Treatment of audio files that cannot be used; see `Recordings`.
        num_workers: Number of processes that decode audio; -1 for one per core.

    Raises:
        InputError: If the source is unknown, or is VGGish although features are sound.
    """
    wants_sound = isinstance(features, Waveform)
    if source not in ("auto", "vggish", "audio"):
        raise InputError(f"dataset.source is auto, vggish or audio, not {source!r}.")
    if source == "vggish" and wants_sound:
        raise InputError(
            "dataset.source=vggish has no sound, which features=waveform needs; choose an encoder "
            "of instances such as encoder=att, or dataset.source=audio."
        )
    if source == "audio" or wants_sound:
        return OpenMICAudio(
            root,
            features=LogMel() if features is None else features,
            cache=cache,
            unreadable=unreadable,
            num_workers=num_workers,
            labels=labels,
            threshold=threshold,
        )
    return OpenMIC(root, scaling, labels, threshold)


@dataclass(frozen=True)
class OpenMIC:
    """OpenMIC-2018 as published: VGGish instances and crowd-sourced labels.

    Attributes:
        root: The folder `openmic-2018`, or its parent folder.
        scaling: Scaling of the bytes: "unit" is x / 255 as in AttentionMIC, "centred" is
            (x - 128) / 256 as in EAsT.
        labels: "csv" reads the aggregated labels and checks that they equal those of the npz;
            "npz" reads `Y_true` and `Y_mask` and needs no CSV, but cannot check that the rows of
            the npz are in the order of the keys.
        threshold: An observed instrument is present if its relevance is at least this, in (0, 1].
            Relevance is 0.5 plus or minus half the confidence in the majority's answer; the
            authors' notebook uses 0.5 as well.
    """

    root: Path | str | None
    scaling: str = "unit"
    labels: str = "csv"
    threshold: float = 0.5

    @property
    def folder(self) -> Path:
        """The folder of the corpus.

        Raises:
            InputError: If it is not found.
        """
        return openmic_folder(self.root)

    def outline(self) -> None:
        """Check that the folder is there; `load` checks the rest, without preparation.

        Raises:
            InputError: If it is not found.
        """
        self.folder  # noqa: B018 looks for it

    def prepare(self) -> None:
        """Do nothing: the corpus contains its features, and reading them takes a second."""

    def load(self) -> Corpus:
        """Read the corpus; its clips are in the order of their sorted keys.

        Raises:
            InputError: If an option is unknown, a file is missing or damaged, or the files do not
                belong together.
        """
        folder = self.folder
        from_csv = _reads_csv(self.labels)
        check_complete(folder, [CLASS_MAP, FEATURES, *([LABELS] if from_csv else [])])
        check_class_map(folder / CLASS_MAP)
        split_of = read_partitions(folder)
        keys = list(split_of)
        x = read_instances(folder / FEATURES, len(keys), self.scaling)
        labels = read_stored_labels(folder / FEATURES, len(keys))
        if from_csv:
            csv_labels = read_labels(folder / LABELS, keys)
            check_same(csv_labels, labels, keys)
            labels = csv_labels
        return Corpus(
            name="openmic",
            classes=CLASSES,
            x=x,
            y=labels.targets(self.threshold),
            mask=labels.mask,
            split=np.array(list(split_of.values())),
            clip_ids=np.array(keys),
            groups=read_artists(folder, keys),
            instance_seconds=INSTANCE_SECONDS,
            sources=_sources(keys),
        )

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Decode one clip.

        Args:
            clip_id: The sample key: the FMA track in six digits, "_", the start in milliseconds.

        Returns:
            The sound, (S,) mono in [-1, 1], and the sample rate of VGGish, 16,000 Hz.

        Raises:
            InputError: If the file is missing or cannot be decoded.
        """
        path = self.folder / audio_path(clip_id)
        if not path.is_file():
            raise InputError(
                f"clip {clip_id!r} has no sound, {path} is missing; {REDOWNLOAD_HINT}."
            )
        return read_audio(path, SAMPLE_RATE), SAMPLE_RATE


@dataclass(frozen=True)
class OpenMICAudio(Recordings):
    """The audio of OpenMIC-2018, with clips, labels and splits of `OpenMIC` in the same order.

    Attributes:
        labels: "csv" reads the aggregated labels, "npz" `Y_true` and `Y_mask`.
        threshold: See `OpenMIC`.
    """

    name = "openmic"
    folders = (FOLDER,)
    marks = MARKS
    get = GET

    labels: str = "csv"
    threshold: float = 0.5

    def annotations(self) -> Annotations:
        """Read the partitions, the labels and the artists.

        Raises:
            InputError: If an option is unknown, or a file is missing or damaged.
        """
        folder = self.folder
        from_csv = _reads_csv(self.labels)
        check_complete(folder, [CLASS_MAP, LABELS if from_csv else FEATURES])
        check_class_map(folder / CLASS_MAP)
        split_of = read_partitions(folder)
        keys = list(split_of)
        if from_csv:
            labels = read_labels(folder / LABELS, keys)
        else:
            labels = read_stored_labels(folder / FEATURES, len(keys))
        return Annotations(
            classes=CLASSES,
            paths=tuple(audio_path(key) for key in keys),
            y=labels.targets(self.threshold),
            mask=labels.mask,
            split=np.array(list(split_of.values())),
            groups=read_artists(folder, keys),
            sources=_sources(keys),
        )


def _sources(keys: Sequence[str]) -> NDArray[np.str_]:
    """Return the tracks of the Free Music Archive, with the same names as `dataset=fma`."""
    return np.array([f"fma:{key[:6]}" for key in keys])


def _reads_csv(labels: str) -> bool:
    if labels not in ("csv", "npz"):
        raise InputError(f"dataset.labels is csv or npz, not {labels!r}.")
    return labels == "csv"


def download(root: Path, archive: Archive = ARCHIVE) -> None:
    """Download the corpus as `root/openmic-2018`, unless that folder exists.

    Raises:
        InputError: See `musicssl.datasets.base.download.fetch_unpacked`; also if the folder is
            incomplete.
    """
    fetch_unpacked(archive, root, root / FOLDER)
    check_complete(root / FOLDER, (CLASS_MAP, FEATURES, LABELS))


def main(arguments: Sequence[str] | None = None) -> int:
    """Download OpenMIC-2018, show the content of a folder of it, and prepare its audio."""
    return corpus_command(OpenMICAudio, arguments, download=download)


if __name__ == "__main__":
    sys.exit(main())
