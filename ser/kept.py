"""The old name of `ser.scratch`, for `resources.stopwatch` alone: remove it together with that import."""

from ser.scratch import scratch_path as keep_as

__all__ = ["keep_as"]
