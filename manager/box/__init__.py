"""The box as seen: GPUs and host memory."""
