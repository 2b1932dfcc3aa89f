"""Semi- and weakly supervised learning about music from few labels and much audio."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicssl.inference.loading import load as load


def __getattr__(name: str) -> Any:
    """Return `load`, imported when it is first asked for; `import musicssl` imports no torch."""
    if name == "load":
        from musicssl.inference.loading import load

        return load
    raise AttributeError(f"module 'musicssl' has no attribute {name!r}")
