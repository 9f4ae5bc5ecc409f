"""`_ice`: which candidates the local agent hides."""

from __future__ import annotations

from telnyx_agent.testing._ice import own_addresses, resolve_hidden_candidates


def test_hidden_candidates_are_ours() -> None:
    """A `.local` name becomes one candidate for each address of this machine; other lines stay."""
    hidden = "a=candidate:1 1 udp 2113937151 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54596 typ host generation 0"
    plain = "a=candidate:2 1 udp 5 192.0.2.1 7 typ host"
    lines = resolve_hidden_candidates(f"v=0\r\n{hidden}\r\n{plain}\r\n").split("\r\n")
    assert lines[0] == "v=0"
    assert lines[-2:] == [plain, ""]
    assert [line.split()[4] for line in lines[1:-2]] == own_addresses()
    assert all(line.endswith("54596 typ host generation 0") for line in lines[1:-2])
    assert resolve_hidden_candidates("v=0\r\n") == "v=0\r\n"
