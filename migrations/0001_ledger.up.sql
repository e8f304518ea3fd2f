-- The double-entry ledger. A transfer debits one account and credits another by the same positive
-- amount, so the books balance by construction; a balance below zero is refused by a CHECK.
-- Amounts are base units of 10^-18 BTT.
CREATE TABLE accounts (
    key     text PRIMARY KEY,
    debits  numeric(40,0) NOT NULL DEFAULT 0 CHECK (debits >= 0),
    credits numeric(40,0) NOT NULL DEFAULT 0 CHECK (credits >= 0),
    CONSTRAINT never_negative CHECK (CASE
        WHEN key IN ('vault', 'shortfall') THEN debits >= credits
        ELSE credits >= debits END)
);

CREATE TABLE transfers (
    seq    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id     uuid NOT NULL UNIQUE, -- derived from what it books, so that a retry is absorbed
    debit  text NOT NULL REFERENCES accounts,
    credit text NOT NULL REFERENCES accounts,
    amount numeric(40,0) NOT NULL CHECK (amount > 0),
    code   text NOT NULL,
    bounty bigint,
    lease  bigint,
    at     timestamptz NOT NULL,
    CHECK (debit <> credit)
);
CREATE INDEX transfers_debit ON transfers (debit, seq);
CREATE INDEX transfers_credit ON transfers (credit, seq);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are never changed', TG_TABLE_NAME;
END $$;
CREATE TRIGGER transfers_are_forever BEFORE UPDATE OR DELETE ON transfers
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE posters (
    address   text PRIMARY KEY,
    thawing   numeric(40,0) NOT NULL DEFAULT 0 CHECK (thawing >= 0),
    thaw_ends timestamptz
);

CREATE TABLE mandates (
    poster    text NOT NULL,
    id        text NOT NULL,
    signers   text[] NOT NULL,
    threshold int NOT NULL,
    cap       numeric(40,0) NOT NULL,
    expiry    timestamptz NOT NULL,
    PRIMARY KEY (poster, id)
);

-- Where the reader of the chain stands. One row.
CREATE TABLE chain_cursor (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    number bigint NOT NULL,
    hash   text NOT NULL,
    at     timestamptz NOT NULL
);

CREATE TABLE solvency (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    block       bigint NOT NULL,
    vault       numeric(40,0) NOT NULL,
    token       numeric(40,0) NOT NULL,
    difference  text NOT NULL,
    frozen      boolean NOT NULL,
    compared_at timestamptz NOT NULL
);
