-- What is told to one agent alone, and only while it listens: who knocks, and whose visit it shall carry. A
-- notice is worth nothing after a minute and is deleted then. A release that knows only knocks passes
-- none on.
DROP TABLE knocks;
CREATE TABLE notices (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent text NOT NULL,
    kind  text NOT NULL,
    data  jsonb NOT NULL,
    at    timestamptz NOT NULL
);
CREATE INDEX notices_at ON notices (at);

-- Whose line was asked for last to visit whom, so that an agent sees another one each time.
CREATE TABLE carried (
    agent   text NOT NULL, -- that was visited
    carrier text NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (agent, carrier)
);
CREATE INDEX carried_at ON carried (at);
CREATE INDEX offers_carry ON offers (seen_at) WHERE (terms->>'carry')::boolean AND state <> 'closed';
