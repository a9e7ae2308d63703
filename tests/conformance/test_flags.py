"""XLA is given flags that it knows alone: one that it does not know ends the process."""

from __future__ import annotations

import importlib.metadata

import pytest

from conformance.adapters import choose_flags


def test_the_installed_version_compiles_fast():
    assert "optimization_level=0" in choose_flags(importlib.metadata.version("jaxlib"))


@pytest.mark.parametrize("version", ["0.11.0", "0.11.2.dev1"])
def test_a_flag_that_was_removed_is_not_given(version):
    assert "fusion_emitters" in choose_flags("0.10.2")
    assert "fusion_emitters" not in choose_flags(version)


@pytest.mark.parametrize("version", ["0.12", "0.12.0.1", "1.0.0"])
def test_an_unknown_version_is_given_none(version):
    assert choose_flags(version) == ""
