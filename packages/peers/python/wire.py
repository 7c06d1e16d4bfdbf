import sys

import pika

url, topic, body = sys.argv[1:]
channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
channel.exchange_declare(topic, "fanout", durable=True)
channel.basic_publish(
    topic,
    "any",
    body,
    pika.BasicProperties(delivery_mode=2, message_id="id-1", headers={"corebus-key": "ana", "tenant": "acme"}),
)
