import signal
import time

from migration import bill

going = True


def stop(*_: object) -> None:
    global going
    going = False


signal.signal(signal.SIGTERM, stop)

sent = 0
while going:
    sent += 1
    bill.delay(sent)
    print("SENT", sent, flush=True)
    time.sleep(0.004)
print("ALL", sent, flush=True)
