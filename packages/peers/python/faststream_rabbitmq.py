import asyncio
import os

from faststream import FastStream
from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from pydantic import BaseModel

broker = RabbitBroker(os.environ["RABBITMQ_URL"])
app = FastStream(broker)


class Order(BaseModel):
    id: int
    total: float


# #region read
@broker.subscriber("faststream-reads")
async def sent(order: Order) -> None:
    print("GOT", order.model_dump_json(), flush=True)
# #endregion read


# #region read-ours
@broker.subscriber("billing-py", RabbitExchange("faststream-reads-ours", type=ExchangeType.FANOUT, durable=True))
async def ours(order: Order) -> None:
    print("GOT OURS", order.model_dump_json(), flush=True)
# #endregion read-ours


# The same of an exchange that nobody had made before this process.
@broker.subscriber("first-py", RabbitExchange("faststream-first", type=ExchangeType.FANOUT, durable=True))
async def first(order: Order) -> None:
    print("GOT FIRST", order.model_dump_json(), flush=True)


shop = RabbitExchange("faststream-exchange", type=ExchangeType.TOPIC, durable=True)


@broker.subscriber(RabbitQueue("shop-py", routing_key="order.*.*"), shop)
async def routed(order: Order) -> None:
    print("GOT ROUTED", order.model_dump_json(), flush=True)


@app.after_startup
async def publish() -> None:
    await broker.declare_queue(RabbitQueue("faststream-queue"))
    # #region write
    await broker.publish(Order(id=1, total=9.5), "faststream-queue")
    # #endregion write
    # #region write-ours
    await broker.publish(Order(id=2, total=9.5), exchange="faststream-writes", headers={"tenant": "acme"})
    # #endregion write-ours
    print("READY", flush=True)


# Publishes by routing keys once it is told to: by then the test has bound its queue.
@broker.subscriber("faststream-asks")
async def asked(order: Order) -> None:
    await broker.publish(order, exchange=shop, routing_key="order.eu.created")
    await broker.publish(order, exchange=shop, routing_key="order.us.created")


asyncio.run(app.run())
