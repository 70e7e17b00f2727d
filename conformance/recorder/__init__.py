"""The parts of record.py: starting the real systems, asking them, comparing answers."""
