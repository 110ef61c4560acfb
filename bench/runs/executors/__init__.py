"""Who carries out the jobs of a plan: processes of this machine, a Ray cluster, or Slurm.

:mod:`bench.runs.executors.walk` follows the plan: it hands a job out once all that it needs is done, and says what became of
each. An executor only takes a job and returns a future; :mod:`bench.runs.executors.job` is what runs on the other side. All
sides share the cache and results folders.
"""
