"""Oracle: what Lightning says without it."""

import logging
import warnings

import pytest

from musicssl.probing.finetuning.quiet_lightning import quiet_lightning


def remarks():
    logging.getLogger("pytorch_lightning.utilities.rank_zero").info("GPU available: False")
    warnings.warn("Found 3 module(s) in eval mode at the start of training", stacklevel=1)
    warnings.warn("`isinstance(treespec, LeafSpec)` is deprecated", FutureWarning, stacklevel=1)


def test_remarks_are_kept_back_and_nothing_else(caplog, recwarn):
    warnings.simplefilter("always")
    with caplog.at_level(logging.INFO, "pytorch_lightning"):
        remarks()
        assert (len(caplog.records), len(recwarn)) == (1, 2)
        with quiet_lightning():
            remarks()
            assert (len(caplog.records), len(recwarn)) == (1, 2)
            logging.getLogger("pytorch_lightning").warning("the loss is not finite")
            warnings.warn("something else", stacklevel=1)
        assert (len(caplog.records), len(recwarn)) == (2, 3)


def test_an_error_does_not_leave_lightning_quiet():
    logger = logging.getLogger("pytorch_lightning")
    level, filters = logger.level, warnings.filters[:]
    with pytest.raises(ZeroDivisionError), quiet_lightning():
        1 / 0  # noqa: B018
    assert (logger.level, warnings.filters) == (level, filters)
