-- #region rights
-- A process that publishes: in sessions, in transactions of its own, and later (delayMs, cancel).
GRANT SELECT ON corebus_schema TO orders_api;
GRANT INSERT ON outbox TO orders_api;
GRANT SELECT, INSERT, DELETE ON outbox_delayed TO orders_api;
GRANT USAGE ON SEQUENCE outbox_seq, outbox_delayed_seq_seq TO orders_api;

-- A process that relays.
GRANT SELECT ON corebus_schema TO orders_relay;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox, outbox_delayed, outbox_dead, outbox_parts TO orders_relay;
GRANT SELECT, TRUNCATE ON outbox_0, outbox_1, outbox_2 TO orders_relay;
GRANT USAGE ON SEQUENCE outbox_seq TO orders_relay;

-- A process that handles, with an inbox.
GRANT SELECT ON corebus_schema TO orders_consumer;
GRANT SELECT, INSERT, UPDATE, DELETE ON processed_events TO orders_consumer;
-- #endregion rights
