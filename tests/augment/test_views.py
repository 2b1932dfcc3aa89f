import pytest
import torch

from musicssl.augment.views import published_views
from musicssl.errors import InputError


def test_the_published_views_are_drawn_apart_from_each_other():
    torch.manual_seed(0)
    x = torch.randn(8, 4000)
    views = published_views(severity=5, sample_rate=8000)
    student, target = views.student(x, None), views.target(x, None)
    assert not any(torch.equal(a, b) for a, b in zip(student, target, strict=True))


def test_severity_zero_is_two_clips_as_they_are():
    x = torch.randn(3, 100)
    views = published_views(severity=0, sample_rate=8000)
    assert views.student(x, None) is x
    assert views.target(x, None) is x


def test_a_severity_outside_its_range_is_refused():
    with pytest.raises(InputError, match="severity must lie between"):
        published_views(severity=6, sample_rate=8000)
