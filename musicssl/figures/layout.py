"""A picture laid out in inches, so that a strip is as high in every picture as in the next."""

from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure


@dataclass
class Page:
    """Blocks stacked from top to bottom; the page becomes as high as they need, in inches.

    Attributes:
        width: Width of the page.
        left: Margin for the tick labels of the blocks.
        right: Margin.
        bottom: Margin for the tick labels of the last block.
        gutter: Between the columns of a block.
    """

    width: float
    left: float
    right: float
    bottom: float
    gutter: float = 0.5
    _blocks: list[tuple[float, float, int]] = field(default_factory=list)

    def add(self, gap: float, height: float, columns: int = 1) -> None:
        """Put a block beneath the others, `gap` lower, split into equal columns."""
        self._blocks.append((gap, height, columns))

    def figure(self) -> tuple[Figure, list[list[Axes]]]:
        """Make the figure, and the axes of each block from left to right."""
        page_height = sum(gap + height for gap, height, _ in self._blocks) + self.bottom
        figure = Figure(figsize=(self.width, page_height))
        scale = np.array([self.width, page_height, self.width, page_height])
        low, blocks = page_height, []
        for gap, height, columns in self._blocks:
            low -= gap + height
            step = (self.width - self.left - self.right + self.gutter) / columns
            boxes = [
                np.array([self.left + step * column, low, step - self.gutter, height]) / scale
                for column in range(columns)
            ]
            blocks.append([figure.add_axes(tuple(box)) for box in boxes])
        return figure, blocks
