"""Pages for people: what a run, a model, a comparison or a person looks like."""
