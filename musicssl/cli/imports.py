"""The imports of a command that trains, which are most of the time to its first batch."""

import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_PARTS = {  # of torchmetrics: what Lightning and musicssl take from it, and where that is
    "Metric": "metric",
    "MetricCollection": "collections",
    "MeanMetric": "aggregation",
    "__version__": "__about__",
}


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import Lightning, and what is imported with it, in two thirds of the time.

    Python's garbage collector is off during the imports, because modules are never freed. Of
    torchmetrics, which Lightning imports, only the parts that are used are loaded.
    """
    load_torchmetrics_in_parts()
    enabled, before = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()  # later collections need not look at a million objects of modules
        if enabled:
            gc.enable()


def load_torchmetrics_in_parts() -> None:
    """Let `import torchmetrics` load no more than what is asked for.

    As a whole, torchmetrics imports scipy.signal and, where it is installed, torchvision.
    """
    spec = find_spec("torchmetrics")
    if "torchmetrics" in sys.modules or spec is None:
        return
    package = module_from_spec(spec)
    package.__class__ = _InParts
    package._logger = logging.getLogger("torchmetrics")  # type: ignore[attr-defined]
    sys.modules["torchmetrics"] = package


class _InParts(ModuleType):
    """The package torchmetrics, which is loaded as a whole once anything else is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name in _PARTS:
            import_module("torchmetrics.utilities")  # the parts cannot be imported before it
            return getattr(import_module(f"torchmetrics.{_PARTS[name]}"), name)
        if name.startswith("__"):
            raise AttributeError(f"module torchmetrics has no attribute {name}")
        self.__class__ = ModuleType  # type: ignore[assignment]
        assert isinstance(self.__loader__, Loader)
        self.__loader__.exec_module(self)
        return getattr(self, name)
