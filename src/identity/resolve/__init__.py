"""Resolution: records and identifiers in; edges, clusters and golden ids out."""
