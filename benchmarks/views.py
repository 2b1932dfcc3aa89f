"""Augmented views a second: the published chain batched on a device, or clip by clip in workers.

The views are of 64 crops of 2.7 s at 16 kHz; the chain is SemiSupCon's at severity 2. It is applied
to all crops at once, and to one crop at a time in two worker processes of a DataLoader, as the
published code does: with our transforms, and with those of torch-audiomentations if it is installed
(they have no delay). The other rows are single transforms of all crops, at the severity 2 of the
published chain, or at 5 if it has no such transform. Each round times all of them in turn, so that
a busy machine slows all of them alike; after one round of warm-up, which starts the workers,
figures are medians.

    python benchmarks/views.py [--device cpu] [--threads 1] [--rounds 9] [--small]
"""

import importlib.util
import warnings
from collections.abc import Callable
from statistics import median

import torch
from rounds import milliseconds, parser, read, show
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from musicssl.augment.corruptions import corruptions
from musicssl.augment.published import published_chain, published_transforms

RATE = 16_000  # Hz
SAMPLES = round(2.7 * RATE)
THEIRS = "torch_audiomentations"
BATCHED = "chain, batched"
MISSING = (
    "torch-audiomentations is not installed and is left out; to compare with it, run "
    "pip install -e '.[bench]'."
)
View = Callable[[Tensor], Tensor]


class Views(Dataset[Tensor]):
    """One view of each of the crops, for workers."""

    def __init__(self, view: View, count: int) -> None:
        self.view = view
        self.crops = crops(count)

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.crops)

    def __getitem__(self, index: int) -> Tensor:
        """Transform one crop by itself."""
        return self.view(self.crops[index : index + 1])[0]


def crops(count: int) -> Tensor:
    """Return tones of changing loudness and a little noise, (N, 43,200)."""
    generator = torch.Generator().manual_seed(0)
    seconds = torch.arange(SAMPLES) / RATE
    hz = 55 * 2 ** (6 * torch.rand(count, 5, 1, generator=generator))
    loudness = torch.sin(torch.pi * seconds * hz / 200).clamp_min(0)
    tones = (loudness * torch.sin(2 * torch.pi * hz * seconds)).sum(dim=1)
    return 0.1 * tones + 0.01 * torch.randn(count, SAMPLES, generator=generator)


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


def in_workers(view: View, count: int) -> Callable[[], object]:
    """Return a call that gets a view of every crop from two workers."""
    loader = DataLoader(Views(view, count), batch_size=8, num_workers=2, persistent_workers=True)
    return lambda: list(loader)


def alone(x: Tensor) -> dict[str, Callable[[], object]]:
    """Return a call for each transform alone, on all crops."""
    published = published_transforms(2, RATE)
    strongest = {name: corruption(5) for name, corruption in corruptions(RATE).items()}
    return {
        f"  {name}": lambda transform=part: transform(x, None)
        for name, part in (strongest | published).items()
    }


def main() -> None:
    """Measure in turn and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--crops", type=int, default=64)
    chosen = read(arguments, rounds=1, crops=4)
    torch.set_num_threads(chosen.threads)
    device, count = torch.device(chosen.device), chosen.crops
    chain, x = published_chain(2, RATE), crops(count).to(device)
    workers = {"ours in 2 workers": in_workers(chain, count)}
    if importlib.util.find_spec(THEIRS):
        workers["theirs in 2 workers"] = in_workers(theirs(), count)
    else:
        print(MISSING)
    with torch.inference_mode():
        calls = {**workers, BATCHED: lambda: chain(x), **alone(x)}
        times = milliseconds(calls, chosen.rounds, device)
    speeds = ", ".join(
        f"{name} {1000 * count / median(times[name]):.0f}" for name in (BATCHED, *workers)
    )
    title = f"{count} crops on {device}, {chosen.threads} thread(s), {chosen.rounds} rounds"
    show(title, times, BATCHED, median(times[BATCHED]), f"Views a second: {speeds}.")


if __name__ == "__main__":
    main()
