"""Linking the records of any table of persons: types → fields → pairs → a model → clusters, without labels."""
