"""Outside shapes in: from landing files to rows every source shares. A file a source."""
