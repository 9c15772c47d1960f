"""Permission: what may be collected, joined and used; deny by default."""
