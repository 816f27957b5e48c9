"""Fuzzing: small valid inputs, changed by the thousand, must be read or refused in one line. `make fuzz` runs it.

``targets`` says what is read and begins from which inputs, ``mutations`` changes inputs, ``checks`` reads one and tells
what went wrong, ``worker`` does so in a process of its own, and ``driver`` shares the time between targets and keeps
what it finds. ``corpus`` holds finds as recipes, which `tests/fuzz/test_corpus.py` replays.
"""
