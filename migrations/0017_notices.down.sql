DROP INDEX offers_carry;
DROP TABLE carried;
DROP TABLE notices;
CREATE TABLE knocks (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    infohash text NOT NULL,
    agent    text NOT NULL,
    address  text NOT NULL,
    at       timestamptz NOT NULL
);
CREATE INDEX knocks_at ON knocks (at);
