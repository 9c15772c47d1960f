"""Retention: what is older than may be kept leaves, physically."""
