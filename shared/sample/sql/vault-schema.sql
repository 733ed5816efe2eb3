-- The vault's own table. Runs as it is on SQLite and PostgreSQL.
CREATE TABLE vault_accounts (
    login          VARCHAR(32)  NOT NULL PRIMARY KEY,
    full_name      VARCHAR(200) NOT NULL,
    clearance      VARCHAR(32)  NOT NULL CHECK (clearance IN ('payments', 'root-keys')),
    recovery_phone VARCHAR(40)
);
