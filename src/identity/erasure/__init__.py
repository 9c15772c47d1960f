"""Erasure with proof (art. 17): what is theirs alone goes, and a scan of every byte shows that it went."""
