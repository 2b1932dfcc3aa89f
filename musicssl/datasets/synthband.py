"""The built-in corpus: short synthesised band clips with complete labels.

Nothing is downloaded. `musicssl.datasets.synthesis` composes and renders the clips; this module
makes a corpus of them, with instances or, with `features=waveform`, with sound in a clip store of 2
bytes a sample. A clip is a pure function of (seed, its number, difficulty), so that a corpus of
1,000 clips is the start of one of 20,000. Of every ten clips seven are for training, one for
validation and two for testing. The audio is synthesised: results on it compare methods under
controlled conditions and do not transfer to real recordings.

By default symusic renders the SoundFont of pretty_midi, TimGM6mb; see
`musicssl.datasets.synthesis.render` for what it does to pitches. With one font, methods learn that
font: `sound_fonts` names others, of which each clip is rendered with one, and `test_sound_fonts`
those of the test clips. `scores` takes the notes from MIDI files instead of the composer; no score
is in two splits. The notes do not depend on the fonts.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.parallel import in_parallel
from musicssl.audio.store import ClipStore, build_store
from musicssl.audio.waveform import Waveform
from musicssl.cache import build_checked, fingerprint, new_array
from musicssl.data.corpus import Corpus
from musicssl.data.outline import Outline
from musicssl.datasets.synthesis.activity import activity
from musicssl.datasets.synthesis.attributes import ATTRIBUTES, attributes_of
from musicssl.datasets.synthesis.compose import Part, compose
from musicssl.datasets.synthesis.fonts import (
    check_disjoint,
    checked_fonts,
    identities,
)
from musicssl.datasets.synthesis.instruments import CLASSES
from musicssl.datasets.synthesis.mix import mix
from musicssl.datasets.synthesis.render import default_sound_font, render
from musicssl.datasets.synthesis.sampler import sample_part
from musicssl.datasets.synthesis.scores import ScoreFolder, open_scores
from musicssl.datasets.synthesis.settings import SynthesisSettings
from musicssl.datasets.synthesis.sound_font import SoundFont, open_sound_font
from musicssl.datasets.synthesis.variation import Variation
from musicssl.errors import InputError

_VERSION = 1  # version of the rendered sound; part of the names of caches
_SAMPLER = 1  # version of the sound of other fonts
_CHUNK = 50  # clips that a worker takes at a time
_SPLIT_OF_TEN = np.array(["train"] * 7 + ["val"] + ["test"] * 2)
# Streams of random numbers of a clip.
_SCORE, _MIX, _FONT, _VARIATION, _SPLITS, SOLO, NOTE = range(7)

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
Instances = tuple[NDArray[np.float32], NDArray[np.bool_]]  # features and activity of a clip


@dataclass(frozen=True)
class Synthband(SynthesisSettings):
    """A corpus of synthesised band clips with exact weak and strong labels.

    A class is present in a clip if it is active in any of its instances, or seconds where instances
    overlap; see `musicssl.datasets.synthesis.activity` for the definition of active. All labels are
    observed; the data module hides labels as a study needs it. Labels in time are labels of
    instances, and there are none where those overlap.

    With `target="attributes"` the corpus is a regression of four exact numbers of each clip:
    loudness, density of notes, number of parts and brightness; see
    `musicssl.datasets.synthesis.attributes`. There are no labels in time then.

    Attributes and errors are those of `SynthesisSettings`.
    """

    name: ClassVar[str] = "synthband"

    def outline(self) -> Outline:
        """Open SoundFonts and scores; return what is known of the clips before they are rendered.

        Raises:
            InputError: If a SoundFont or the folder of scores cannot be used.
        """
        self._settings()  # opens them
        features = self.features
        is_sound = isinstance(features, Waveform)
        samples = round(self.clip_seconds * features.sample_rate)
        num_instances, num_features = samples, None
        if not isinstance(features, Waveform):
            num_instances, num_features = features(np.zeros(samples, np.float32)).shape
        has_activity = self.task == "multi_label" and self.target != "attributes"
        return Outline(
            name=self.name,
            task="regression" if self.target == "attributes" else self.task,
            num_features=num_features,
            num_instances=num_instances,
            classes=self._class_names(),
            sample_rate=features.sample_rate if is_sound else None,
            is_exact=not is_sound,
            has_activity=has_activity and not self._has_overlaps,
        )

    def _class_names(self) -> tuple[str, ...] | None:
        """Return the classes, as far as they do not depend on scores."""
        if self.target == "attributes":
            return ATTRIBUTES
        return CLASSES if self.scores is None else None

    def prepare(self) -> None:
        """Render all clips into the cache, unless they are there."""
        self._x_and_activity()
        if self.target == "attributes":
            self._attributes()

    def load(self) -> Corpus:
        """Open the cache, after rendering if necessary; `x` is a memory map or a clip store."""
        x, active = self._x_and_activity()
        split = _SPLIT_OF_TEN[np.arange(self.num_clips) % 10]
        y: NDArray[np.bool_] = np.asarray(active.any(axis=1))
        if self.target == "attributes":
            return self._corpus_of_attributes(x, split)
        kept = self._kept_classes(y[split == "train"])
        if len(kept) < len(CLASSES):
            active, y = active[:, :, kept], y[:, kept]
        is_solo = self.task == "multi_class"
        return Corpus(
            name=self.name,
            classes=tuple(CLASSES[column] for column in kept),
            x=x,
            y=np.asarray(y, np.float32),
            mask=_rows(y) if is_solo else np.ones_like(y),
            split=split,
            clip_ids=np.array([self._clip_id(number) for number in range(self.num_clips)]),
            activity=None if self._has_overlaps or is_solo else active,
            instance_seconds=self._instance_seconds,
            task=self.task,
            groups=self._groups(),
            sources=self._sources(),
            redistributable=self._is_redistributable,
        )

    def _corpus_of_attributes(
        self, x: NDArray[np.float32] | ClipStore, split: NDArray[np.str_]
    ) -> Corpus:
        y = self._attributes()
        return Corpus(
            name=self.name,
            classes=ATTRIBUTES,
            x=x,
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=split,
            clip_ids=np.array([self._clip_id(number) for number in range(self.num_clips)]),
            instance_seconds=self._instance_seconds,
            task="regression",
            groups=self._groups(),
            sources=self._sources(),
            redistributable=self._is_redistributable,
        )

    @property
    def _is_redistributable(self) -> bool:
        """True if nothing but this package made the clips; who owns scores and fonts is unknown."""
        return self.scores is self.sound_fonts is self.test_sound_fonts is None

    def sound_font_of(self, number: int) -> Path | None:
        """Return the SoundFont of a clip; None for the default one, rendered by symusic."""
        fonts = self._fonts
        if _SPLIT_OF_TEN[number % 10] == "test" and self.test_sound_fonts is not None:
            fonts = self._test_fonts
        if fonts is None:
            return None
        return fonts[np.random.default_rng([self.seed, number, _FONT]).integers(len(fonts))]

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Render one clip again, bit-identically.

        Raises:
            InputError: If the corpus does not have the clip.
        """
        digits = clip_id.removeprefix(f"{self.name}-")
        number = int(digits) if digits.isdecimal() else -1
        if clip_id != self._clip_id(number) or number >= self.num_clips:
            raise InputError(
                f"{self.name} has no clip {clip_id!r}; its clips are {self._clip_id(0)} to "
                f"{self._clip_id(self.num_clips - 1)}."
            )
        return self._sound(number, self._score(number)), self.features.sample_rate

    def _sources(self) -> NDArray[np.str_]:
        """Return names of the clips, which depend on all settings of their sound."""
        sound = fingerprint({**self._settings(), "num_clips": None})
        return np.array([f"{self.name}:{sound}:{number}" for number in range(self.num_clips)])

    def _folder(self, **features: Any) -> Path:
        settings = {**self._settings(), **features}
        return Path(self.cache).expanduser() / f"{self.name}-{fingerprint(settings)}"

    def _settings(self) -> dict[str, Any]:
        """Return every setting that the sound depends on, except its sample rate."""
        return self._further_settings() | {
            "version": _VERSION,
            "num_clips": self.num_clips,
            "seed": self.seed,
            "clip_seconds": float(self.clip_seconds),
            "min_parts": self.min_parts,
            "max_parts": self.max_parts,
            "level_range_db": float(self.level_range_db),
            "noise_db": None if self.noise_db is None else float(self.noise_db),
            "effects": float(self.effects),
        }

    def _further_settings(self) -> dict[str, Any]:
        """Return those that are not null, so that caches of earlier versions are found."""
        if self._fonts is None and self.test_sound_fonts is None:
            fonts = {}
        else:
            fonts = {
                "sampler": _SAMPLER,
                "sound_fonts": self._fonts and identities(self._fonts),
                "test_sound_fonts": self._test_fonts and identities(self._test_fonts),
            }
        scores = None if self._scores is None else self._scores.identities
        variation = {
            "scores": scores,
            "programs": self.programs,
            "velocity": self.velocity,
            "register": self.register and [float(share) for share in self.register],
            "tuning_cents": float(self.tuning_cents or 0) or None,
        }
        return fonts | {name: value for name, value in variation.items() if value is not None}

    @cached_property
    def _fonts(self) -> tuple[Path, ...] | None:
        """The fonts of all clips but perhaps those of the test; None for symusic's rendering."""
        if self.sound_fonts is not None:
            return checked_fonts(self.sound_fonts)
        varied = self.scores is not None or self.velocity is not None or self.tuning_cents
        varied = varied or self.exact_pitches
        return (default_sound_font(),) if varied or self.test_sound_fonts is not None else None

    @cached_property
    def _test_fonts(self) -> tuple[Path, ...] | None:
        if self.test_sound_fonts is None:
            return None
        fonts = checked_fonts(self.test_sound_fonts)
        check_disjoint(self._fonts or (), fonts)
        return fonts

    @cached_property
    def _scores(self) -> ScoreFolder | None:
        if self.scores is None:
            return None
        rng = np.random.default_rng([self.seed, _SPLITS])
        return open_scores(Path(self.scores).expanduser(), rng)

    def _drawn_score(self, number: int) -> str:
        assert self._scores is not None
        rng = np.random.default_rng([self.seed, number, _SPLITS])
        return self._scores.draw_name(rng, str(_SPLIT_OF_TEN[number % 10]))

    def _groups(self) -> NDArray[np.str_] | None:
        """Return the score of each clip; composed clips have none."""
        if self._scores is None:
            return None
        return np.array([self._drawn_score(number) for number in range(self.num_clips)])

    def _kept_classes(self, train: NDArray[np.bool_]) -> list[int]:
        """Return the columns that can be learnt; scores need not have all instruments."""
        if self.scores is None:
            return list(range(len(CLASSES)))
        kept = [column for column, y in enumerate(train.T) if y.any() and not y.all()]
        left_out = [name for column, name in enumerate(CLASSES) if column not in kept]
        if left_out:
            _log.warning(
                "%s: classes in no training clip of %s, or in all of them, are left out: %s.",
                *(self.name, self.scores, ", ".join(left_out)),
            )
        return kept

    def _score(self, number: int) -> list[Part]:
        """Return the notes of a clip."""
        rng = np.random.default_rng([self.seed, number, _SCORE])
        if self._scores is not None:
            return self._scores.score(self._drawn_score(number)).draw(rng, self.clip_seconds)
        low, high = self.register or (0.0, 1.0)
        return compose(rng, self.clip_seconds, self.min_parts, self.max_parts, (low, high))

    def _font(self, number: int) -> SoundFont | None:
        path = self.sound_font_of(number)
        return None if path is None else open_sound_font(path)

    def _as_played(self, number: int, parts: Sequence[Part]) -> list[Part]:
        """Return the notes of a clip as its font plays them."""
        variation = Variation(self.programs, self.velocity, self.tuning_cents or 0.0)
        rng = np.random.default_rng([self.seed, number, _VARIATION])
        return variation(rng, parts, self._font(number))

    def _sound(self, number: int, parts: Sequence[Part]) -> NDArray[np.float32]:
        rate, font = self.features.sample_rate, self._font(number)
        parts = self._as_played(number, parts)
        sounds = [self._part_sound(part, font) for part in parts]
        rng = np.random.default_rng([self.seed, number, _MIX])
        return mix(rng, parts, sounds, rate, self.level_range_db, self.effects, self.noise_db)

    def _part_sound(self, part: Part, font: SoundFont | None) -> NDArray[np.float32]:
        rate = self.features.sample_rate
        if font is None:
            return render(part, self.clip_seconds, rate)
        sound = sample_part(font, part, self.clip_seconds, rate)
        if not sound.any():
            raise InputError(
                f"{font.path} is silent where program {part.program} should play "
                f"{part.instrument.name}; choose another SoundFont."
            )
        return sound

    def _x_and_activity(self) -> tuple[NDArray[np.float32] | ClipStore, NDArray[np.bool_]]:
        """Return the instances or the sound of the clips, and their activity, (N, T, C)."""
        if isinstance(self.features, Waveform):
            rate, numbers = self.features.sample_rate, range(self.num_clips)
            scores = build_checked(self._folder(activity_seconds=1.0), self._build_activity)
            store = build_store(
                self._folder(sound=rate),
                [self._clip_id(number) for number in numbers],
                self._clip_sound,
                rate,
                self.num_workers,
                f"rendering {self.name}",
            )
            return store, np.load(scores / "activity.npy")
        folder = build_checked(self._folder(features=self.features.settings()), self._build)
        return np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "activity.npy")

    def _attributes(self) -> NDArray[np.float32]:
        """Return the attributes of all clips, (N, 4); the clips are rendered once more for them."""
        rate = self.features.sample_rate
        folder = build_checked(self._folder(attributes=rate), self._build_attributes)
        attributes: NDArray[np.float32] = np.load(folder / "attributes.npy")
        return attributes

    def _attributes_of(self, number: int) -> NDArray[np.float64]:
        parts = self._score(number)
        return attributes_of(parts, self._sound(number, parts), self.features.sample_rate)

    def _build_attributes(self, folder: Path) -> None:
        title = f"attributes of {self.name}"
        found = np.empty((self.num_clips, len(ATTRIBUTES)), np.float32)
        for number, attributes in self._on_all(self._attributes_of, title):
            found[number] = attributes
        np.save(folder / "attributes.npy", found)

    def _clip_sound(self, clip_id: str) -> NDArray[np.float32]:
        return self.audio(clip_id)[0]

    def _activity(self, number: int) -> NDArray[np.bool_]:
        """Return the activity of one clip, (T, C)."""
        return self._activity_of(self._score(number))

    def _activity_of(self, parts: Sequence[Part]) -> NDArray[np.bool_]:
        seconds = self._stretch_seconds
        return activity(parts, ceil(self.clip_seconds / seconds - 1e-6), seconds)

    def _instances(self, number: int) -> Instances:
        """Return features, (T, F), and activity, (T, C), of one clip."""
        assert not isinstance(self.features, Waveform)
        parts = self._score(number)
        return self.features(self._sound(number, parts)), self._activity_of(parts)

    def _build(self, folder: Path) -> None:
        first, first_active = self._instances(0)  # all clips are equally long
        x = new_array(folder / "x.npy", np.float32, (self.num_clips, *first.shape))
        shape = (self.num_clips, *first_active.shape)
        active = new_array(folder / "activity.npy", np.bool_, shape)
        for number, (instances, sounding) in self._on_all(
            self._instances, f"rendering {self.name}"
        ):
            x[number], active[number] = instances, sounding
        x.flush()
        active.flush()

    def _build_activity(self, folder: Path) -> None:
        active = [
            sounding for _, sounding in self._on_all(self._activity, f"composing {self.name}")
        ]
        np.save(folder / "activity.npy", np.stack(active))

    def _on_all(self, work: Callable[[int], Result], title: str) -> Iterator[tuple[int, Result]]:
        return in_parallel(work, range(self.num_clips), self.num_workers, title, _CHUNK)

    def _clip_id(self, number: int) -> str:
        return f"{self.name}-{number:06d}"


def _rows(y: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of clips of one class; a clip of a class that is left out has no label."""
    return np.repeat(y.sum(axis=1, keepdims=True) > 0, y.shape[1], axis=1)
