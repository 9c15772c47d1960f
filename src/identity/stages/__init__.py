"""The arrows of the line: each reads tables, calls the rooms' functions, passes a gate, and writes tables."""
