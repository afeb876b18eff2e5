# What local time Python's zoneinfo says it is: for each line "zone seconds", the offset from UTC in seconds.
import datetime
import sys
import zoneinfo

epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
for line in sys.stdin:
    zone, second = line.split()
    moment = epoch + datetime.timedelta(seconds=int(second))
    print(int(moment.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset().total_seconds()))
