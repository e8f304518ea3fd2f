-- An agent that nobody can connect to is told who knocks, on its own stream, by whatever process has
-- that stream. Knocks are worth nothing after a minute and are deleted then. A release that does not
-- know the table passes none on.
CREATE TABLE knocks (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    infohash text NOT NULL,
    agent    text NOT NULL,
    address  text NOT NULL,
    at       timestamptz NOT NULL
);
CREATE INDEX knocks_at ON knocks (at);
