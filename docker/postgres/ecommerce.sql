-- The user and the database of examples/ecommerce. The image runs this once, when its volume is new.
CREATE USER ecommerce PASSWORD 'ecommerce';
CREATE DATABASE ecommerce OWNER ecommerce;
