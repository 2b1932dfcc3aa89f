"""The table of `musicssl latents` on the screen."""

import numpy as np
from rich.console import Console

from musicssl.evaluation.latents.measures import measure_latents
from musicssl.runs.latent_results import LatentResults, latents_table
from musicssl.runs.latent_space import EncodedClips, Walk


def results(names, known):
    """Return results of attributes that are dimensions, of which the last has none."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, len(names) + 1))
    dimensions = [*range(len(names) - 1), None]
    clips = EncodedClips(z, z[:, :-1], np.ones((60, len(names)), bool), 60)
    values = (-0.5, -1.0, 1.0) if known else (np.nan, np.nan, 0.0)
    walks = [Walk(i, i, np.arange(3), z[:3], z[:3, 0], *values) for i in range(len(names) - 1)]
    return LatentResults(
        names, clips, measure_latents(z, z[:, :-1], dimensions=dimensions), walks, {}
    )


def printed(found):
    console = Console(width=80)
    with console.capture() as capture:
        console.print(latents_table(found))
    return capture.get().splitlines()


def test_all_measures_fit_into_80_columns():
    lines = printed(results(["rhythm_bar1", "[bold]octave", "tonic"], known=True))
    assert max(map(len, lines)) <= 80
    assert lines[1].split()[-3:] == ["mod.", "smo.", "mon."]
    rows = {line.split()[0]: line.split() for line in lines[3:] if line.strip()}
    assert rows["rhythm_bar1"][-2:] == ["-0.50", "-1.00"]
    assert rows["[bold]octave"][1] == "1"  # brackets are no markup
    assert rows["tonic"][1] == rows["tonic"][-1] == "\N{EN DASH}"
    assert float(rows["mean"][-2]) == -0.5


def test_measures_that_nothing_has_are_left_out():
    lines = printed(results(["a", "b", "c"], known=False))
    assert "MIG" in lines[1]
    assert "smo." not in lines[1]
