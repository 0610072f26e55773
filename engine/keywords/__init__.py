"""One module per keyword or close family. They are found by being here, and never import each other."""
