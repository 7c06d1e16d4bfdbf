import asyncio
import os
import sys

from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub

broker = RedisBroker(os.environ["REDIS_URL"])
app = FastStream(broker)


@broker.subscriber(stream=StreamSub("shop:tasks", group="tasks", consumer=sys.argv[1]))
async def bill(order_id: int) -> None:
    print("BEGIN", order_id, flush=True)
    await asyncio.sleep(0.02)
    print("DONE", order_id, flush=True)


@app.after_startup
async def ready() -> None:
    print("READY", flush=True)


asyncio.run(app.run())
