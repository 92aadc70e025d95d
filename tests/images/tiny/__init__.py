"""Tiny pipelines with random weights, built offline by the engine's own interpreter.

Every module here may have a table `BUILDERS`: name -> what builds that pipeline into a folder. One name is one model,
and the same name always gives the same bytes.
"""
