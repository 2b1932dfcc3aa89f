"""What a report says of where embeddings come from."""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Origin:
    """What a report says of where embeddings come from.

    Attributes:
        kind: "checkpoint"; "untrained", a network that learnt nothing; "statistics" of the input;
            "embeddings" from elsewhere.
        name: Of the training run, the encoder or the file.
        label: What tables call it.
        run: Folder of the training run.
        seed: Of the training run, or of the weights that were drawn.
        p_s: Of the training run, and so on.
        b_s: As well.
        trained_on: Name of its corpus.
        checkpoint: SHA-256 of the file, if it is a checkpoint.
    """

    kind: Literal["checkpoint", "untrained", "statistics", "embeddings"]
    name: str
    label: str
    run: str | None = None
    seed: int | None = None
    p_s: float | None = None
    b_s: float | None = None
    trained_on: str | None = None
    checkpoint: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)
