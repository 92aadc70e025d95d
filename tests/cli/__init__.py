"""Tests of the `roundhouse` command."""
