import asyncio
import os
import signal

from faststream.redis import RedisBroker


async def main() -> None:
    going = True

    def stop() -> None:
        nonlocal going
        going = False

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    sent = 0
    async with RedisBroker(os.environ["REDIS_URL"]) as broker:
        while going:
            sent += 1
            await broker.publish(sent, stream="shop:tasks")
            print("SENT", sent, flush=True)
            await asyncio.sleep(0.004)
    print("ALL", sent, flush=True)


asyncio.run(main())
