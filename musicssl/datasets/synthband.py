"""The built-in corpus: short synthesised band clips with complete labels.

Nothing is downloaded. `musicssl.datasets.synthesis` composes and renders the clips; this module
makes a corpus of them, with instances or, with `features=waveform`, with sound in a clip store of 2
bytes a sample. A clip is a pure function of (seed, its number, difficulty), so that a corpus of
1,000 clips is the start of one of 20,000. Of every ten clips seven are for training, one for
validation and two for testing. The audio is synthesised: results on it compare methods under
controlled conditions and do not transfer to real recordings.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, inf, isfinite
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.instance_features import InstanceFeatures
from musicssl.audio.log_mel import LogMel
from musicssl.audio.parallel import in_parallel
from musicssl.audio.store import ClipStore, build_store
from musicssl.audio.waveform import Waveform
from musicssl.cache import build_checked, fingerprint, new_array
from musicssl.data.corpus import Corpus
from musicssl.datasets.synthesis.activity import activity
from musicssl.datasets.synthesis.compose import Part, compose
from musicssl.datasets.synthesis.instruments import CLASSES
from musicssl.datasets.synthesis.mix import mix
from musicssl.datasets.synthesis.render import SAMPLE_RATES, render
from musicssl.errors import InputError

_VERSION = 1  # version of the rendered sound; part of the names of caches
_CHUNK = 50  # clips that a worker takes at a time
_SPLIT_OF_TEN = np.array(["train"] * 7 + ["val"] + ["test"] * 2)
_SCORE, _MIX = 0, 1  # streams of random numbers of a clip

Result = TypeVar("Result")
Instances = tuple[NDArray[np.float32], NDArray[np.bool_]]  # features and activity of a clip


@dataclass(frozen=True)
class Synthband:
    """A corpus of synthesised band clips with exact weak and strong labels.

    A class is present in a clip if it is active in any of its instances, or seconds where instances
    overlap; see `musicssl.datasets.synthesis.activity` for the definition of active. All labels are
    observed; the data module hides labels as a study needs it. Labels in time are labels of
    instances, and there are none where those overlap.

    Attributes:
        num_clips: Number of clips, at least 10, so that each split has one.
        seed: Seed of all clips, different from the seed of a run, so that all runs have the same
            corpus.
        clip_seconds: Duration of a clip, in seconds; at least 2 and a multiple of the duration of
            an instance, or of a second for sound and for instances that overlap.
        min_parts: Smallest number of instruments in a clip.
        max_parts: Largest number of instruments in a clip; drawn uniformly.
        level_range_db: Width of the range from which the level of a part is drawn, in dB.
        noise_db: Level of white noise relative to the band, in dB; None for no noise.
        effects: Probability that a clip has reverberation, and independently, a spectral tilt.
        features: Computes instances from audio, or `Waveform`; its sample rate is that of the
            audio.
        cache: Folder of instances and activity.
        num_workers: Number of processes that render; -1 for one per core.

    Raises:
        InputError: If a setting is invalid.
    """

    num_clips: int = 12_000
    seed: int = 0
    clip_seconds: float = 10.0
    min_parts: int = 2
    max_parts: int = 6
    level_range_db: float = 20.0
    noise_db: float | None = -30.0
    effects: float = 0.5
    features: InstanceFeatures | Waveform = field(default_factory=LogMel)
    cache: str | Path = "cache"
    num_workers: int = -1

    def __post_init__(self) -> None:
        self._check("num_clips", _whole(self.num_clips, 10), "a whole number from 10 up")
        self._check("seed", _whole(self.seed, 0), "a whole number from 0 up")
        self._check("min_parts", _whole(self.min_parts, 1), "a whole number from 1 up")
        parts = _whole(self.max_parts, self.min_parts) and self.max_parts <= len(CLASSES)
        self._check("max_parts", parts, f"a whole number from min_parts up to {len(CLASSES)}")
        self._check("level_range_db", 0 <= self.level_range_db < inf, "0 dB or more")
        noise = self.noise_db is None or isfinite(self.noise_db)
        self._check("noise_db", noise, "a number of dB, or null for no noise")
        self._check("effects", 0 <= self.effects <= 1, "a probability, from 0 to 1")
        workers = self.num_workers == -1 or _whole(self.num_workers, 1)
        self._check("num_workers", workers, "a whole number from 1 up, or -1")
        stretches = self.clip_seconds / self._stretch_seconds
        tiled = abs(stretches - round(stretches)) < 1e-6 or self._has_overlaps
        tiled = tiled and self.clip_seconds >= 2
        self._check(
            "clip_seconds", tiled, "at least 2 s and a multiple of features.instance_seconds"
        )
        if self.features.sample_rate not in SAMPLE_RATES:
            raise InputError(
                f"synthband: features.sample_rate must be one of {SAMPLE_RATES} Hz, for which all "
                f"instruments were checked, got {self.features.sample_rate}."
            )

    def prepare(self) -> None:
        """Render all clips into the cache, unless they are there."""
        self._x_and_activity()

    def load(self) -> Corpus:
        """Open the cache, after rendering if necessary; `x` is a memory map or a clip store."""
        x, active = self._x_and_activity()
        y = active.any(axis=1)
        return Corpus(
            name="synthband",
            classes=CLASSES,
            x=x,
            y=np.asarray(y, np.float32),
            mask=np.ones_like(y),
            split=_SPLIT_OF_TEN[np.arange(self.num_clips) % 10],
            clip_ids=np.array([_clip_id(number) for number in range(self.num_clips)]),
            activity=None if self._has_overlaps else active,
            instance_seconds=self._instance_seconds,
            sources=self._sources(),
        )

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Render one clip again, bit-identically.

        Raises:
            InputError: If the corpus does not have the clip.
        """
        digits = clip_id.removeprefix("synthband-")
        number = int(digits) if digits.isdecimal() else -1
        if clip_id != _clip_id(number) or number >= self.num_clips:
            raise InputError(
                f"synthband has no clip {clip_id!r}; its clips are {_clip_id(0)} to "
                f"{_clip_id(self.num_clips - 1)}."
            )
        return self._sound(number, self._score(number)), self.features.sample_rate

    @property
    def _instance_seconds(self) -> float:
        return 1.0 if isinstance(self.features, Waveform) else self.features.hop_seconds

    @property
    def _has_overlaps(self) -> bool:
        """Whether instances are no stretches in which a class is active or not."""
        return not isinstance(self.features, Waveform) and not self.features.are_tiles

    @property
    def _stretch_seconds(self) -> float:
        """Duration of a stretch of a clip in which a class is active or not, in seconds."""
        return 1.0 if self._has_overlaps else self._instance_seconds

    def _sources(self) -> NDArray[np.str_]:
        """Return names of the clips, which depend on all settings of their sound."""
        sound = fingerprint({**self._settings(), "num_clips": None})
        return np.array([f"synthband:{sound}:{number}" for number in range(self.num_clips)])

    def _folder(self, **features: Any) -> Path:
        settings = {**self._settings(), **features}
        return Path(self.cache).expanduser() / f"synthband-{fingerprint(settings)}"

    def _settings(self) -> dict[str, Any]:
        """Return every setting that the sound depends on, except its sample rate."""
        return {
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

    def _score(self, number: int) -> list[Part]:
        rng = np.random.default_rng([self.seed, number, _SCORE])
        return compose(rng, self.clip_seconds, self.min_parts, self.max_parts)

    def _sound(self, number: int, parts: Sequence[Part]) -> NDArray[np.float32]:
        rate = self.features.sample_rate
        sounds = [render(part, self.clip_seconds, rate) for part in parts]
        rng = np.random.default_rng([self.seed, number, _MIX])
        return mix(rng, parts, sounds, rate, self.level_range_db, self.effects, self.noise_db)

    def _x_and_activity(self) -> tuple[NDArray[np.float32] | ClipStore, NDArray[np.bool_]]:
        """Return the instances or the sound of the clips, and their activity, (N, T, C)."""
        if isinstance(self.features, Waveform):
            rate, numbers = self.features.sample_rate, range(self.num_clips)
            scores = build_checked(self._folder(activity_seconds=1.0), self._build_activity)
            store = build_store(
                self._folder(sound=rate),
                [_clip_id(number) for number in numbers],
                self._clip_sound,
                rate,
                self.num_workers,
                "rendering synthband",
            )
            return store, np.load(scores / "activity.npy")
        folder = build_checked(self._folder(features=self.features.settings()), self._build)
        return np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "activity.npy")

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
        for number, (instances, sounding) in self._on_all(self._instances, "rendering synthband"):
            x[number], active[number] = instances, sounding
        x.flush()
        active.flush()

    def _build_activity(self, folder: Path) -> None:
        active = [sounding for _, sounding in self._on_all(self._activity, "composing synthband")]
        np.save(folder / "activity.npy", np.stack(active))

    def _on_all(self, work: Callable[[int], Result], title: str) -> Iterator[tuple[int, Result]]:
        return in_parallel(work, range(self.num_clips), self.num_workers, title, _CHUNK)

    def _check(self, name: str, valid: bool, requirement: str) -> None:
        if not valid:
            raise InputError(
                f"synthband: dataset.{name} must be {requirement}, got {getattr(self, name)}."
            )


def _clip_id(number: int) -> str:
    return f"synthband-{number:06d}"


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and value >= least
