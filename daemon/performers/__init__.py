"""The performers: one module (or a few) for each kind of request."""
