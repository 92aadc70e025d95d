"""What workers are asked, by each other and by their parent."""

ALIVE = "alive"  # say that the loop turns
KEYS = "keys"  # look at the store at once, and write down what was used
METRICS = "metrics"  # tell what was counted, as Prometheus reads it
JOBS = "jobs"  # of the worker that runs the jobs alone
JOBS_AGAIN = "jobs again"  # the same, where one that was asked before has died, or was on its way down
