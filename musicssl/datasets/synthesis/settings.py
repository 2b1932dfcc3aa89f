"""The settings of the synthesised corpora, and their checks before a clip is rendered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import ClassVar

from musicssl.audio.instance_features import InstanceFeatures
from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.datasets.synthesis.fonts import font_path
from musicssl.datasets.synthesis.instruments import CLASSES
from musicssl.datasets.synthesis.render import SAMPLE_RATES
from musicssl.datasets.synthesis.sound_font import check_sound_font_exists
from musicssl.errors import InputError

_NOTE_TARGETS = ("family", "pitch")  # of dataset=synthband_notes


@dataclass(frozen=True)
class SynthesisSettings:
    """What clips are composed, rendered and labelled; the base of `Synthband` and its relatives.

    Attributes:
        target: "instruments" or "attributes".
        sound_fonts: SoundFont files (SF2 or SF3), of which each clip is rendered with one;
            "default" is that of pretty_midi. None for that font alone, rendered by symusic unless
            there are scores, velocities or tunings, which it does not render.
        test_sound_fonts: SoundFonts of the test clips; None for the same as those of the others.
        scores: Folder of MIDI files from which clips are cut; None to compose them. Classes without
            a training clip, or in all of them, are then left out.
        num_clips: Number of clips, at least 10, so that each split has one.
        seed: Seed of all clips, different from the seed of a run, so that all runs have the same
            corpus.
        clip_seconds: Duration of a clip, in seconds; at least 2 and a multiple of the duration of
            an instance, or of a second for sound and for instances that overlap.
        min_parts: Smallest number of instruments in a composed clip.
        max_parts: Largest number of instruments in a composed clip; drawn uniformly.
        programs: General MIDI programs of each class that are used, at most; None for all.
        velocity: Range from which the MIDI velocity of each note is drawn; None for 100, or for
            what a score says.
        register: Share of each instrument's range that composed parts use, such as [0, 0.5] for its
            lower half; None for all of it.
        tuning_cents: Largest deviation of the tuning of a part, in cents, up or down; None for
            none.
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

    name: ClassVar[str]
    task: ClassVar[str] = "multi_label"
    least_seconds: ClassVar[float] = 2.0  # of a clip
    has_stretches: ClassVar[bool] = True  # whether clips must be whole stretches of labels in time
    targets: ClassVar[tuple[str, ...]] = ("instruments", "attributes")
    exact_pitches: ClassVar[bool] = False  # whether notes must have the pitch of their key

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
    sound_fonts: Sequence[str | Path] | None = None
    test_sound_fonts: Sequence[str | Path] | None = None
    scores: str | Path | None = None
    programs: int | None = None
    velocity: Sequence[int] | None = None
    register: Sequence[float] | None = None
    tuning_cents: float | None = None
    target: str = "instruments"

    def __post_init__(self) -> None:
        for name in ("sound_fonts", "test_sound_fonts", "velocity", "register"):
            value = getattr(self, name)
            if value is not None:
                value = (value,) if isinstance(value, str | Path) else tuple(value)
                object.__setattr__(self, name, value)
        self._check_variation()
        self._check_target()
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
        tiled = abs(stretches - round(stretches)) < 1e-6
        tiled = tiled or self._has_overlaps or not self.has_stretches
        least = f"at least {self.least_seconds:g} s"
        also = " and a multiple of features.instance_seconds" if self.has_stretches else ""
        long_enough = self.clip_seconds >= self.least_seconds
        self._check("clip_seconds", tiled and long_enough, least + also)
        if self.features.sample_rate not in SAMPLE_RATES:
            raise InputError(
                f"{self.name}: features.sample_rate must be one of {SAMPLE_RATES} Hz, for which "
                f"all instruments were checked, got {self.features.sample_rate}."
            )

    def _check_target(self) -> None:
        if self.target in _NOTE_TARGETS and self.target not in self.targets:
            raise InputError(  # method=pitch_timbre sets it
                f"{self.name}: dataset.target={self.target} is for single notes; choose "
                "dataset=synthband_notes."
            )
        self._check("target", self.target in self.targets, " or ".join(self.targets))

    def _check_variation(self) -> None:
        for name in ("sound_fonts", "test_sound_fonts"):
            fonts = getattr(self, name)
            self._check(name, fonts != (), "a list of .sf2 or .sf3 files, or null")
            for font in fonts or ():
                check_sound_font_exists(font_path(font))
        programs = self.programs is None or _whole(self.programs, 1)
        self._check("programs", programs, "a whole number from 1 up, or null")
        velocity = self.velocity is None or (
            _is_range(self.velocity, 1, 127) and all(isinstance(v, int) for v in self.velocity)
        )
        self._check("velocity", velocity, "two whole numbers from 1 to 127, such as [40,120]")
        register = self.register is None or _is_range(self.register, 0, 1)
        self._check("register", register, "two numbers from 0 to 1, such as [0,0.5], or null")
        tuning = self.tuning_cents is None or 0 <= self.tuning_cents <= 1200
        self._check("tuning_cents", tuning, "a number of cents from 0 to 1200, or null")

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

    def _check(self, name: str, valid: bool, requirement: str) -> None:
        if not valid:
            raise InputError(
                f"{self.name}: dataset.{name} must be {requirement}, got {getattr(self, name)}."
            )


def _is_range(value: Sequence[float], least: float, most: float) -> bool:
    return len(value) == 2 and least <= value[0] <= value[1] <= most


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and value >= least
