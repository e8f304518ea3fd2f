-- What anyone needs to check the audits of an epoch: the promise of its secret, published before its
-- first block, and what auditors committed to before any report was revealed. A release that does not
-- know these tables opens epochs and takes reports as before; nothing in them can be checked then.
CREATE TABLE promises (
    epoch       bigint PRIMARY KEY,
    commit      text NOT NULL, -- SHA-256 of the secret
    promised_at timestamptz NOT NULL
);

CREATE TABLE commitments (
    epoch   bigint NOT NULL REFERENCES audit_epochs,
    lease   bigint NOT NULL REFERENCES leases,
    auditor text NOT NULL,
    hash    text NOT NULL, -- of the signed report
    at      timestamptz NOT NULL,
    id      bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    PRIMARY KEY (epoch, lease, auditor)
);

-- An epoch is replayed from all its proofs.
CREATE INDEX proofs_of_epoch ON proofs (epoch, lease);
