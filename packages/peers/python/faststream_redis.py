import asyncio
import os

from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub
from pydantic import BaseModel, Json

broker = RedisBroker(os.environ["REDIS_URL"])
app = FastStream(broker)


class Order(BaseModel):
    id: int
    total: float


# #region read
@broker.subscriber(stream=StreamSub("faststream-reads", group="py", consumer="py-1"))
async def sent(order: Order) -> None:
    print("GOT", order.model_dump_json(), flush=True)
# #endregion read


# #region read-ours
class Entry(BaseModel):
    body: Json[Order]


@broker.subscriber(stream=StreamSub("faststream-reads-ours", group="py", consumer="py-1"))
async def ours(entry: Entry) -> None:
    print("GOT OURS", entry.body.model_dump_json(), flush=True)
# #endregion read-ours


@app.after_startup
async def publish() -> None:
    # #region write
    await broker.publish(Order(id=1, total=9.5), stream="faststream:writes", headers={"x-json": '{"a":1}'})
    # #endregion write
    print("READY", flush=True)


asyncio.run(app.run())
