"""MagnaTagATune: tags for half a minute of music on which players of a game agreed.

Law, West, Mandel, Bay and Downie, ISMIR 2009; https://mirg.city.ac.uk/codeapps (CC BY-NC-SA 3.0).
25,863 clips of 5,405 songs by 230 artists, 188 tags; 29.1 s each, MP3 at 16 kHz, mono. Players
could give any tag to a clip: tags that they did not give count as absent.

The folder as published by its authors; files in brackets are optional:

    annotations_final.csv        tabs and double quotes: clip_id, 188 tags as 0 or 1, mp3_path
    [clip_info_final.csv]        tabs: clip_id, ..., artist, ...; the artist groups the clips
    mp3/f/american_bach_soloists-...-30-59.mp3

The archive has the folders 0 to 9 and a to f at its top, so they may also be beside the tables.

The split is the usual one, by those folders: 0 to 9, a and b for training, c for validation, d to f
for testing. No song is in two splits, but 56 of the 230 artists are. Three files of the archive are
empty (clips 35644, 55753 and 57881, all for training) and always left out. The treatment of clips
without any of the tags determines which published results are comparable; with the 50 tags:

    untagged=keep          18,706 / 1,825 / 5,329    all tags absent: Pons et al., jukemir, MARBLE
    untagged=drop          15,247 / 1,529 / 4,332    left out: the "clean" split of minzwon and EAsT
    untagged=unlabelled    18,706 / 1,529 / 4,332    unlabelled in train (3,459), else left out

The last one is that of SemiSupCon except for untagged clips of the folders c to f: SemiSupCon
trains on them, unlabelled, so that songs of the test split are in training. Spellings and synonyms
of tags ("vocal", "vocals") are separate classes, as in all published work.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.layout import file_ending, recordings_folder
from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.download import Archive, fetch, fetch_joined
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.base.unpack import unpack
from musicssl.datasets.formats.tables import annotation_rows, columns_of
from musicssl.errors import InputError

_HOST = "https://mirg.city.ac.uk/datasets/magnatagatune"
TABLES = (
    Archive(
        f"{_HOST}/annotations_final.csv",
        "sha256:99b94e95825d4fa576386a5367b9c96e0ec636e9f9c240aceb492f4728f68c3c",
    ),
    Archive(
        f"{_HOST}/clip_info_final.csv",
        "sha256:cb6108a10d3a91f0bfd7d2fbec2382559d15f20c8d28093f14e12162a47a3e78",
    ),
)
PARTS = (
    Archive(
        f"{_HOST}/mp3.zip.001",
        "sha256:f857fe185968773058cc71662c2ef5d8f2d4b7338e3c122cfd52f82dcb9760b9",
    ),
    Archive(
        f"{_HOST}/mp3.zip.002",
        "sha256:fc2e1ec441755556ed1398b1808f1b08b6034372f8bc27394510c0c58cdb52ce",
    ),
    Archive(
        f"{_HOST}/mp3.zip.003",
        "sha256:83a689824c17e82f6eb81cdbc4e4ca239a4cfc1fb41f1a5c80b861caec90450f",
    ),
)
ANNOTATIONS = "annotations_final.csv"
CLIP_INFO = "clip_info_final.csv"

# fmt: off
# The 50 most frequent tags, most frequent first. Three pairs are equally frequent (no vocal and
# pop, male voice and female vocal, metal and female voice), so that another sort may swap them;
# this is the order of musicnn, MARBLE and the arrays of minzwon.
TOP50 = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast",
    "piano", "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male",
    "singing", "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman",
    "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice",
    "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice", "weird",
    "country", "metal", "female voice", "choral",
)

# All tags, in the order of the columns of the table.
ALL = (
    "no voice", "singer", "duet", "plucking", "hard rock", "world", "bongos", "harpsichord",
    "female singing", "clasical", "sitar", "chorus", "female opera", "male vocal", "vocals",
    "clarinet", "heavy", "silence", "beats", "men", "woodwind", "funky", "no strings", "chimes",
    "foreign", "no piano", "horns", "classical", "female", "no voices", "soft rock", "eerie",
    "spacey", "jazz", "guitar", "quiet", "no beat", "banjo", "electric", "solo", "violins", "folk",
    "female voice", "wind", "happy", "ambient", "new age", "synth", "funk", "no singing",
    "middle eastern", "trumpet", "percussion", "drum", "airy", "voice", "repetitive", "birds",
    "space", "strings", "bass", "harpsicord", "medieval", "male voice", "girl", "keyboard",
    "acoustic", "loud", "classic", "string", "drums", "electronic", "not classical", "chanting",
    "no violin", "not rock", "no guitar", "organ", "no vocal", "talking", "choral", "weird",
    "opera", "soprano", "fast", "acoustic guitar", "electric guitar", "male singer", "man singing",
    "classical guitar", "country", "violin", "electro", "reggae", "tribal", "dark", "male opera",
    "no vocals", "irish", "electronica", "horn", "operatic", "arabic", "lol", "low", "instrumental",
    "trance", "chant", "strange", "drone", "synthesizer", "heavy metal", "modern", "disco", "bells",
    "man", "deep", "fast beat", "industrial", "hard", "harp", "no flute", "jungle", "pop", "lute",
    "female vocal", "oboe", "mellow", "orchestral", "viola", "light", "echo", "piano", "celtic",
    "male vocals", "orchestra", "eastern", "old", "flutes", "punk", "spanish", "sad", "sax", "slow",
    "male", "blues", "vocal", "indian", "no singer", "scary", "india", "woman", "woman singing",
    "rock", "dance", "piano solo", "guitars", "no drums", "jazzy", "singing", "cello", "calm",
    "female vocals", "voices", "different", "techno", "clapping", "house", "monks", "flute",
    "not opera", "not english", "oriental", "beat", "upbeat", "soft", "noise", "choir",
    "female singer", "rap", "metal", "hip hop", "quick", "water", "baroque", "women", "fiddle",
    "english",
)
# fmt: on

TAGS = {"top50": TOP50, "all": ALL}
UNTAGGED = ("keep", "drop", "unlabelled")
SPLIT_OF = {
    **dict.fromkeys("0123456789ab", "train"),
    "c": "val",
    **dict.fromkeys("def", "test"),
}
BROKEN = (
    "6/norine_braun-now_and_zen-08-gently-117-146",
    "8/jacob_heringman-josquin_des_prez_lute_settings-19-gintzler__pater_noster-204-233",
    "9/american_baroque-dances_and_suites_of_rameau_and_couperin-25-"
    "le_petit_rien_xiveme_ordre_couperin-88-117",
)

_AUDIO = ("mp3", "audio", "wav", "flac", "")
_ENDINGS = (".mp3", ".wav", ".flac", ".ogg")
_CLIP = re.compile(r"([0-9a-f]/[^/\\]+)-\d+-\d+\.mp3")  # the song, then start and end
_CURE = f"get {ANNOTATIONS} again from http://mirg.city.ac.uk/datasets/magnatagatune"


@dataclass(frozen=True)
class MagnaTagATune(Recordings):
    """MagnaTagATune as published, or with converted recordings.

    Attributes:
        tags: "top50" or "all" (188).
        untagged: Treatment of clips without any of those tags: "keep", "drop" or "unlabelled"; see
            the module's docstring.
        audio_root: The folder with the subfolders 0 to f, relative to the folder of the tables or
            absolute; None for the first of mp3, audio, wav, flac and the folder itself that has
            them.
        ending: Suffix of the recordings, such as ".wav" if they were converted; None to take that
            of the first recording found.
    """

    name = "magnatagatune"
    folders = ("magnatagatune", "MagnaTagATune", "mtat", "MTAT")
    marks = (ANNOTATIONS,)
    get = (
        "download it (3 GB) with `python -m musicssl.datasets.magnatagatune --root DIR --download`"
    )

    tags: str = "top50"
    untagged: str = "keep"
    audio_root: str | Path | None = None
    ending: str | None = None

    @property
    def folder(self) -> Path:
        """The folder with the subfolders 0 to f.

        Raises:
            InputError: If there is no table of annotations, or `audio_root` is not a folder.
        """
        return recordings_folder(self._tables, self.audio_root, _AUDIO, SPLIT_OF)

    @property
    def _tables(self) -> Path:
        return super().folder

    def annotations(self) -> Annotations:
        """Read the tags of each clip; `groups` are artists or, without the second table, songs.

        Raises:
            InputError: If an option is unknown, or a table is missing or malformed.
        """
        self._check_options()
        table = _read_tags(self._tables / ANNOTATIONS, TAGS[self.tags])
        ending = file_ending(self.folder, table.stems, self.ending, _ENDINGS)
        tagged = np.any(table.y, axis=1)
        split = np.array([SPLIT_OF[stem[0]] for stem in table.stems])
        mask = np.ones(table.y.shape, np.bool_)
        used = ~np.isin(table.stems, BROKEN)
        if self.untagged == "drop":
            used &= tagged
        elif self.untagged == "unlabelled":
            used &= tagged | (split == "train")
            mask &= tagged[:, np.newaxis]
        annotations = Annotations(
            classes=TAGS[self.tags],
            paths=tuple(f"{stem}{ending}" for stem in table.stems),
            y=table.y,
            mask=mask,
            split=split,
            groups=_groups(table, self._tables / CLIP_INFO),
            left_out={f"{stem}{ending}": "is empty in the archive" for stem in BROKEN},
        )
        return annotations.select(np.flatnonzero(used))

    def _check_options(self) -> None:
        if self.tags not in TAGS:
            raise InputError(f"dataset.tags must be {' or '.join(TAGS)}, got {self.tags!r}.")
        if self.untagged not in UNTAGGED:
            raise InputError(
                f"dataset.untagged must be one of {', '.join(UNTAGGED)}, got {self.untagged!r}."
            )


class _Table(NamedTuple):
    """The tags of N clips.

    Attributes:
        clip_ids: Number of each clip, (N).
        stems: Path of each clip without its suffix, (N).
        songs: The song of each clip, (N).
        y: 1 for each tag of a clip, (N, C).
    """

    clip_ids: list[str]
    stems: list[str]
    songs: list[str]
    y: NDArray[np.float32]


def _read_tags(path: Path, tags: Sequence[str]) -> _Table:
    rows = annotation_rows(path, _CURE, delimiter="\t")
    (clip_id, mp3_path, *columns), width = columns_of(
        path, rows, ("clip_id", "mp3_path", *tags), _CURE
    )
    table = _Table([], [], [], np.empty(0, np.float32))
    cells: list[bytes] = []
    for number, row in rows:
        clip = _CLIP.fullmatch(row[mp3_path]) if len(row) == width else None
        digits_of_clip = [row[column] for column in columns] if clip else []
        if clip is None or not {"0", "1"}.issuperset(digits_of_clip):
            raise InputError(
                f"line {number} of {path} is not a clip, {width - 2} tags as 0 or 1 and a path "
                f"like f/artist-album-01-song-30-59.mp3, separated by tabs; {_CURE}."
            )
        table.clip_ids.append(row[clip_id])
        table.stems.append(row[mp3_path].removesuffix(".mp3"))
        table.songs.append(clip[1])
        cells.append("".join(digits_of_clip).encode())
    if not cells:
        raise InputError(f"{path} names no clip; {_CURE}.")
    digits = np.frombuffer(b"".join(cells), np.uint8).reshape(-1, len(tags))  # (N, C)
    return table._replace(y=(digits == ord("1")).astype(np.float32))


def _groups(table: _Table, clip_info: Path) -> NDArray[np.str_]:
    """Return the artist of each clip, or its song without a table of artists."""
    if not clip_info.exists():
        return np.array(table.songs)
    artist_of = _read_artists(clip_info)
    unknown = [clip_id for clip_id in table.clip_ids if not artist_of.get(clip_id)]
    if unknown:
        raise InputError(
            f"{clip_info} names no artist for {len(unknown)} of {len(table.clip_ids)} clips, "
            f"{unknown[0]} being the first; get it again, or remove it to group clips by song."
        )
    return np.array([artist_of[clip_id] for clip_id in table.clip_ids])


def _read_artists(path: Path) -> Mapping[str, str]:
    again = "get it again, or remove it to group clips by song"
    rows = annotation_rows(path, again, delimiter="\t")
    (clip_id, artist), width = columns_of(path, rows, ("clip_id", "artist"), again)
    artist_of = {}
    for number, row in rows:
        if len(row) != width:
            raise InputError(f"line {number} of {path} has {len(row)} cells, not {width}; {again}.")
        artist_of[row[clip_id]] = row[artist]
    return artist_of


def download(
    root: Path, tables: Sequence[Archive] = TABLES, parts: Sequence[Archive] = PARTS
) -> None:
    """Download the corpus as `root/magnatagatune`: its tables, and its clips in a folder `mp3`.

    Raises:
        InputError: See `fetch`, `fetch_joined` and `unpack`.
    """
    folder = root / "magnatagatune"
    for table in tables:
        fetch(table, folder)
    if not (folder / "mp3").is_dir():
        clips = fetch_joined(parts, folder / "mp3.zip")
        unpack(clips, folder / "mp3")
        print(f"unpacked as {folder / 'mp3'}; {clips} is no longer needed")


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder of MagnaTagATune."""
    return corpus_command(MagnaTagATune, arguments, download=download)


if __name__ == "__main__":
    sys.exit(main())
