"""`CHANGELOG.md` names what there is."""

from __future__ import annotations

import re

from tests.parity.test_table import resolve

from .modules import PACKAGE, ROOT


def test_names_exist() -> None:
    """Those with a dot in them; the others stand beside theirs."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    names = {name.removeprefix(f"{PACKAGE}.") for name in re.findall(r"`@?([A-Za-z_]\w*(?:\.\w+)+)`", text)}
    assert len(names) > 10
    assert [f"{name}: {why}" for name in sorted(names) if (why := resolve(name)) is not None] == []
