from shop import charge

# #region write
charge.apply_async((4, 9.5), {"currency": "USD"}, queue="celery-writes")
# #endregion write
# #region write-ours
charge.apply_async((5, 9.5), exchange="celery-tasks", routing_key="charge")
# #endregion write-ours
print("READY", flush=True)
