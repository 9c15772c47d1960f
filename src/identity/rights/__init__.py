"""The rights of the data subject: found, shown, corrected, forgotten, each with a register of requests."""
