# When CPython's TimedRotatingFileHandler ends a file: for each line "zone when interval hour:minute:second second", where the time of day may be "-",
# the moment that it computes for a file that is begun at `second`.
import datetime
import logging.handlers
import os
import sys
import time

for line in sys.stdin:
    zone, when, interval, at, second = line.split()
    os.environ["TZ"] = zone
    time.tzset()
    handler = logging.handlers.TimedRotatingFileHandler(
        "/dev/null", when=when, interval=int(interval), delay=True, utc=zone == "UTC",
        atTime=None if at == "-" else datetime.time.fromisoformat(at))
    moment = handler.computeRollover(int(second))
    # Before 3.13 `interval` was ignored here (python/cpython#116263).
    unit = 7 * 86400 if when.startswith("W") else 86400
    if sys.version_info < (3, 13):
        moment += handler.interval - unit
    print(moment)
