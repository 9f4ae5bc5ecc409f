"""From packets that come at any time to a steady voice. PURE: no clock, no thread."""
