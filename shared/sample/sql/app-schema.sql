-- The managed application's own tables. Runs as it is on SQLite and PostgreSQL.
CREATE TABLE accounts (
    login         VARCHAR(32)  NOT NULL PRIMARY KEY CHECK (length(login) >= 2),
    mail          VARCHAR(254) NOT NULL UNIQUE CHECK (mail LIKE '%_@_%'),
    full_name     VARCHAR(200) NOT NULL CHECK (length(full_name) >= 1),
    title         VARCHAR(120),
    department    VARCHAR(80),
    location      VARCHAR(80),
    manager_login VARCHAR(32)  CHECK (manager_login <> login),
    cost_center   INTEGER      CHECK (cost_center BETWEEN 1000 AND 9999)
);

CREATE TABLE groups (
    name        VARCHAR(64) NOT NULL PRIMARY KEY,
    description VARCHAR(200)
);

CREATE TABLE memberships (
    account_login VARCHAR(32) NOT NULL REFERENCES accounts (login) ON DELETE CASCADE,
    group_name    VARCHAR(64) NOT NULL REFERENCES groups (name),
    PRIMARY KEY (account_login, group_name)
);
