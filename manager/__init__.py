"""The control plane: which engines run, where, with how much memory. Sole holder of the Docker socket."""
