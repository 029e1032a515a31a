"""What the bench times is there to be timed."""

from __future__ import annotations

import pytest

from tests.load.layers import LAYERS


@pytest.mark.parametrize(("owner", "name"), [one for functions in LAYERS.values() for one in functions])
def test_a_layer_is_a_function_that_there_is(owner: object, name: str) -> None:
    assert callable(getattr(owner, name, None)), f"{owner} has no {name}"
