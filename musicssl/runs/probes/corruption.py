"""A probe under corruptions of the sound."""

from collections.abc import Iterable, Sequence

from musicssl.errors import InputError
from musicssl.evaluation.predictions import Scorer
from musicssl.evaluation.robustness_table import read_robustness
from musicssl.runs.artifacts.robustness import chosen_corruptions, write_robustness
from musicssl.runs.probes.folder import ProbeFolder
from musicssl.runs.probes.run import Plan
from musicssl.runs.probes.source import Load, NetworkSource, Source
from musicssl.runs.probes.trials import draws, fit


def check_corruption(
    source: Source, load: Load, names: str | Sequence[str], severities: Sequence[float]
) -> None:
    """Make sure, before anything is probed, that it can be tested under corruptions of sound.

    Raises:
        InputError: If the clips are no sound, there is no network to hear them, or no such
            corruption.
    """
    if not isinstance(source, NetworkSource):
        raise InputError("corruption=... needs a network that hears sound; leave it out.")
    chosen_corruptions(names, load().sample_rate, severities)


def corrupt(
    folder: ProbeFolder,
    source: Source,
    plan: Plan,
    load: Load,
    names: str | Sequence[str],
    severities: Sequence[float],
    scorer: Scorer | None = None,
) -> None:
    """Test a probe with the most labels, of the first draw, under corruptions of sound.

    Args:
        folder: Folder of the probe; corruptions that its table has are not tested again.
        source: Source of the embeddings.
        plan: How they are judged.
        load: Reads the corpus.
        names: Names of corruptions; see `chosen_corruptions`.
        severities: See `chosen_severities`.
        scorer: The probe; None to fit it again, if anything is left to be tested.

    Raises:
        InputError: See `check_corruption`.
    """
    clips = plan.datamodule(load())
    chosen = chosen_corruptions(names, clips.corpus.sample_rate, severities)
    if _is_done(folder, chosen, severities):
        return
    if scorer is None:
        embedded = plan.datamodule(source.embedded(load, plan.cache, plan.batch_size, plan.device))
        drawn = draws(embedded, plan.fractions[-1:], plan.seeds[:1], plan.stratified)
        _, [scorer] = fit(source, plan.probe, embedded, drawn, plan.device, lambda: clips)
    write_robustness(folder, clips, scorer, chosen, severities)


def _is_done(folder: ProbeFolder, names: Iterable[str], severities: Sequence[float]) -> bool:
    if not folder.robustness.is_file():
        return False
    judged = read_robustness(folder.robustness).judged
    return all((name, severity) in judged for name in names for severity in severities)
