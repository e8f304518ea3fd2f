-- Audit epochs, auditors' reports, verdicts, and the cheques and transactions that follow.
CREATE TABLE audit_epochs (
    epoch     bigint PRIMARY KEY,
    block     bigint NOT NULL,
    hash      text NOT NULL,
    commit    text NOT NULL,
    secret    text NOT NULL,
    auditors  text[] NOT NULL,
    leases    jsonb NOT NULL, -- as they stood when the epoch opened
    opened_at timestamptz NOT NULL,
    judged_at timestamptz
);
CREATE INDEX audit_epochs_open ON audit_epochs (epoch) WHERE judged_at IS NULL;

CREATE TABLE reports (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lease   bigint NOT NULL REFERENCES leases,
    epoch   bigint NOT NULL REFERENCES audit_epochs,
    auditor text NOT NULL,
    body    jsonb NOT NULL, -- the signed report
    at      timestamptz NOT NULL,
    UNIQUE (lease, epoch, auditor)
);
CREATE INDEX reports_epoch ON reports (epoch);

CREATE TABLE proofs (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lease   bigint NOT NULL REFERENCES leases,
    bounty  bigint NOT NULL REFERENCES bounties,
    agent   text NOT NULL,
    epoch   bigint NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('pass', 'fail', 'data_fault', 'unaudited')),
    passes  int NOT NULL,
    reports int NOT NULL,
    seconds bigint NOT NULL CHECK (seconds >= 0),
    earned  numeric(40,0) NOT NULL,
    at      timestamptz NOT NULL,
    UNIQUE (lease, epoch)
);
CREATE INDEX proofs_bounty ON proofs (bounty, id);
CREATE INDEX proofs_agent ON proofs (agent, id);

CREATE TABLE cheques (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    poster     text NOT NULL,
    mandate    text NOT NULL,
    payee      text NOT NULL,
    cumulative numeric(40,0) NOT NULL CHECK (cumulative > 0),
    bytes      bigint NOT NULL DEFAULT 0,
    state      text NOT NULL CHECK (state IN ('owed', 'signed', 'submitted', 'included', 'solid',
                                              'replaced', 'reverted')),
    reason     text NOT NULL DEFAULT '',
    drafted_at timestamptz NOT NULL,
    signed_at  timestamptz,
    UNIQUE (poster, mandate, payee, cumulative),
    FOREIGN KEY (poster, mandate) REFERENCES mandates
);
CREATE INDEX cheques_payee ON cheques (payee, id);
CREATE INDEX cheques_open ON cheques (state) WHERE state IN ('owed', 'signed', 'submitted', 'included');

CREATE TABLE signatures (
    cheque    bigint NOT NULL REFERENCES cheques,
    signer    text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (cheque, signer)
);

-- Transactions are written here before they are sent; the same bytes are sent until the outcome
-- is final.
CREATE TABLE chain_txs (
    id        text PRIMARY KEY,
    cheque    bigint NOT NULL REFERENCES cheques,
    raw       bytea NOT NULL,
    expires   timestamptz NOT NULL,
    state     text NOT NULL CHECK (state IN ('staged', 'included', 'solid', 'lapsed', 'reverted')),
    staged_at timestamptz NOT NULL,
    moved_at  timestamptz NOT NULL
);
-- At most one transaction of a cheque is in flight: this is what keeps a payee from being paid
-- twice in fees.
CREATE UNIQUE INDEX chain_txs_in_flight ON chain_txs (cheque) WHERE state IN ('staged', 'included');
