"""One field at a time: Column in, Column out, idempotent, null where nothing is said. `records.py` says which gets which."""
