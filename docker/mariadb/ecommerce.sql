-- The user and the database of examples/ecommerce. The image runs this once, when its volume is new.
CREATE DATABASE ecommerce CHARACTER SET utf8mb4;
CREATE USER ecommerce@'%' IDENTIFIED BY 'ecommerce';
GRANT ALL ON ecommerce.* TO ecommerce@'%';
