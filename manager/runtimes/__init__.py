"""Where specifications run. One file per place: `docker`, `process`."""
