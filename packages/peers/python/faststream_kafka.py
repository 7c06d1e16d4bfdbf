import asyncio
import os
from datetime import datetime, timezone

from faststream import FastStream
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

broker = KafkaBroker(os.environ["KAFKA_BOOTSTRAP_SERVERS"])
app = FastStream(broker)


# #region read
class Order(BaseModel):
    id: int
    total: float


class OrderPlaced(BaseModel):
    name: str
    data: Order
    timestamp: str
    source: str


def now() -> str:
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")


@broker.subscriber("faststream-reads-ours", group_id="py", auto_offset_reset="earliest")
async def sent(order: Order) -> None:
    print("GOT", order.model_dump_json(), flush=True)


@broker.subscriber("faststream-reads-events", group_id="py", auto_offset_reset="earliest")
async def placed(event: OrderPlaced) -> None:
    print("GOT", event.name, event.data.model_dump_json(), flush=True)
# #endregion read


@app.after_startup
async def publish() -> None:
    # #region write
    await broker.publish(Order(id=1, total=9.5), "faststream-writes", key=b"ana", headers={"tenant": "acme"})
    event = OrderPlaced(name="order.placed", data=Order(id=2, total=9.5), timestamp=now(), source="shop-py")
    await broker.publish(event, "faststream-writes-events")
    # #endregion write
    print("READY", flush=True)


asyncio.run(app.run())
