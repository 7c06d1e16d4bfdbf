import os
import time

from celery import Celery

app = Celery("migration", broker=os.environ["RABBITMQ_URL"])
app.conf.task_default_queue = os.environ["QUEUE"]
app.conf.task_acks_late = True


@app.task
def bill(order_id: int) -> None:
    print(f"BEGIN {order_id}")
    time.sleep(0.02)
    print(f"DONE {order_id}")
