/** The statements that make the tables. Corebus makes none of yours. */
export const TABLES = {
  sqlite: [
    'PRAGMA foreign_keys = ON',
    'CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, password TEXT NOT NULL)',
    `CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users, items TEXT NOT NULL,
      total REAL NOT NULL, created_at TEXT NOT NULL)`,
  ],
  postgres: [
    'CREATE TABLE users (id SERIAL PRIMARY KEY, email text NOT NULL UNIQUE, password text NOT NULL)',
    `CREATE TABLE orders (id SERIAL PRIMARY KEY, user_id integer NOT NULL REFERENCES users, items jsonb NOT NULL,
      total numeric(12, 2) NOT NULL, created_at timestamptz NOT NULL)`,
  ],
} as const
