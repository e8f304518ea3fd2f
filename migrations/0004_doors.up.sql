-- What the doors need: the story for subscribers, answers to repeated requests, keys and nonces.
CREATE TABLE events (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tx    xid8 NOT NULL DEFAULT pg_current_xact_id(), -- readers stay behind running transactions
    kind  text NOT NULL,
    who   text[] NOT NULL,
    thing bigint NOT NULL,
    data  jsonb NOT NULL,
    at    timestamptz NOT NULL
);
CREATE INDEX events_story ON events (tx, id);
CREATE TRIGGER events_are_forever BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE answers (
    account text NOT NULL,
    key     text NOT NULL,
    body    bytea NOT NULL, -- SHA-256 of the request
    thing   bigint NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (account, key)
);

CREATE TABLE api_keys (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account    text NOT NULL,
    name       text NOT NULL,
    scopes     text[] NOT NULL,
    hash       bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX api_keys_account ON api_keys (account, id);

CREATE TABLE nonces (
    nonce   text PRIMARY KEY,
    account text NOT NULL,
    expires timestamptz NOT NULL
);
