"""What is shown of the seeds of a group of cells."""

from hypothesis import given
from hypothesis import strategies as st

from sigmoid_bce.tracking.groups import summary


@given(values=st.lists(st.floats(0, 1), max_size=6))
def test_a_share_over_seeds_stays_a_share(values):
    found = summary(values, (0, 1))
    assert ("low" in found) == (len(values) > 2)
    assert all(0 <= found[name] <= 1 for name in ("low", "high", "min", "max") if name in found)
    if len(values) == 2:
        assert (found["min"], found["max"]) == (min(values), max(values))
