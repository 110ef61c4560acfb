"""Where the jobs of a plan run: processes on this machine, a Ray cluster, or Slurm.

:mod:`bench.runs.executors.walk` follows the plan: it starts a job when everything it needs is done, and reports the
outcome of each. An executor takes jobs and returns futures; :mod:`bench.runs.executors.job` is the worker's side. All
workers share the cache and results directories.
"""
