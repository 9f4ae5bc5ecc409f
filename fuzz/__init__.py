"""Fuzzing: hostile frames, SDP and RTP for the parts of the SDK that read what a server sends.

`python -m fuzz --frames 1000000` runs seeded mutations, which needs nothing besides the SDK; `python -m fuzz --atheris
session` is guided by coverage and needs `pip install atheris`. `tests/fuzz` runs some seconds of the first. What was
found once, or is worth starting from, is in `fuzz/corpus`.
"""
