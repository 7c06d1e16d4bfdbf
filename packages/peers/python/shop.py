import os

from celery import Celery

app = Celery("shop", broker=os.environ["RABBITMQ_URL"])


# #region task
@app.task
def charge(order_id: int, amount: float, currency: str = "EUR") -> None:
    print(f"GOT {order_id} {amount} {currency}")
# #endregion task
