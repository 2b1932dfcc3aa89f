"""Augmented views a second: the published chain batched on a device, or clip by clip in workers.

The views are 64 crops of 2.7 s at 16 kHz; the chain is SemiSupCon's at severity 2. It is applied to
all crops at once, and to one at a time in two worker processes of a DataLoader, as the published
code does, with our transforms and, where torch-audiomentations is installed, with its own (which
have no delay). Then every transform by itself, which all crops get, at the severity 2 of the
published chain or, where that has none of the kind, at 5. All rounds alternate, so that a busy
machine slows all of them alike; figures are medians. Workers are started before.

    python benchmarks/views.py [--device cpu] [--threads 1] [--rounds 9]
"""

import argparse
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from statistics import median

import torch
from rounds import milliseconds, show
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from musicssl.augment.corruptions import corruptions
from musicssl.augment.published import published_chain, published_transforms

RATE = 16_000  # Hz
SAMPLES = round(2.7 * RATE)
CROPS = 64
THEIRS = "torch_audiomentations"
BATCHED = "chain, batched"
View = Callable[[Tensor], Tensor]


class Views(Dataset[Tensor]):
    """One view of each of the crops, for workers."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.crops = crops()

    def __len__(self) -> int:
        """Return the number of crops."""
        return CROPS

    def __getitem__(self, index: int) -> Tensor:
        """Transform one crop by itself."""
        return self.view(self.crops[index : index + 1])[0]


def crops() -> Tensor:
    """Return noise under tones that come and go, (64, 43,200)."""
    generator = torch.Generator().manual_seed(0)
    seconds = torch.arange(SAMPLES) / RATE
    hz = 55 * 2 ** (6 * torch.rand(CROPS, 5, 1, generator=generator))
    loudness = torch.sin(torch.pi * seconds * hz / 200).clamp_min(0)
    tones = (loudness * torch.sin(2 * torch.pi * hz * seconds)).sum(dim=1)
    return 0.1 * tones + 0.01 * torch.randn(CROPS, SAMPLES, generator=generator)


def theirs() -> View:
    """Build the published chain of torch-audiomentations, at severity 2."""
    warnings.filterwarnings("ignore", module=THEIRS)
    import torch_audiomentations as ta

    same = {"sample_rate": RATE, "output_type": "tensor"}
    chain = ta.Compose(
        [
            ta.Gain(-15, 5, p=0.4, **same),
            ta.PolarityInversion(p=0.6, **same),
            ta.AddColoredNoise(3, 30, -2, 2, p=0.6, **same),
            ta.OneOf(
                [
                    ta.BandPassFilter(200, 4000, 0.5, 1.99, p=1, **same),
                    ta.BandStopFilter(200, 4000, 0.5, 1.99, p=1, **same),
                    ta.HighPassFilter(200, 2400, p=1, **same),
                    ta.LowPassFilter(150, 7500, p=1, **same),
                ],
                p=0.3,
                output_type="tensor",
            ),
            ta.PitchShift(-4, 4, p=0.6, **same),
        ],
        p=0.8,
        output_type="tensor",
    )

    def view(x: Tensor) -> Tensor:
        varied: Tensor = chain(x[None], sample_rate=RATE)[0]
        return varied

    return view


def in_workers(view: View) -> Callable[[], object]:
    """Return what gets a view of every crop from two workers."""
    loader = DataLoader(Views(view), batch_size=8, num_workers=2, persistent_workers=True)
    return lambda: list(loader)


def alone(x: Tensor) -> dict[str, Callable[[], object]]:
    """Return calls of every transform by itself on all crops."""
    published = published_transforms(2, RATE)
    strongest = {name: corruption(5) for name, corruption in corruptions(RATE).items()}
    return {
        f"  {name}": lambda transform=part: transform(x, None)
        for name, part in (strongest | published).items()
    }


def finished(
    calls: Mapping[str, Callable[[], object]], device: str
) -> dict[str, Callable[[], object]]:
    """Let calls return when the device has done what was asked of it."""
    if device == "cpu":
        return dict(calls)

    def waiting(call: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            call()
            torch.cuda.synchronize()

        return run

    return {name: waiting(call) for name, call in calls.items()}


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


def main() -> None:
    """Measure in turn and print what came of it."""
    chosen = options()
    torch.set_num_threads(chosen.threads)
    chain = published_chain(2, RATE)
    x = crops().to(chosen.device)
    whole = {BATCHED: lambda: chain(x)}
    workers = {"ours in 2 workers": in_workers(chain)}
    if importlib.util.find_spec(THEIRS):
        workers["theirs in 2 workers"] = in_workers(theirs())
    else:
        print(f"{THEIRS} is not installed, and not measured.")
    with torch.inference_mode():
        calls = workers | finished(whole | alone(x), chosen.device)
        times = milliseconds(calls, chosen.rounds)
    title = f"{CROPS} crops on {chosen.device}, {chosen.threads} thread(s), {chosen.rounds} rounds"
    show(title, times, BATCHED, median(times[BATCHED]))
    for name in [BATCHED, *workers]:
        print(f"{name}: {1000 * CROPS / median(times[name]):.0f} views a second")


if __name__ == "__main__":
    main()
