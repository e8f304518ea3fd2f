-- Why a lease is in its state is kept as one word of a closed set beside the words for people, and so is
-- an accusation that waits for its hearing: what it was asked of whom must not be lost with a restart.
-- A replica that was lost or is about to be, and the lease that stands in for it, know each other, so that
-- the time to a replacement is a fact of the book. What audits cost on the wire is kept with each proof.
-- All columns have a default: a release that does not know them goes on writing rows.
ALTER TABLE leases
    ADD COLUMN cause text NOT NULL DEFAULT '',
    ADD COLUMN accused jsonb,
    ADD COLUMN dropping boolean NOT NULL DEFAULT false,
    ADD COLUMN replaces bigint REFERENCES leases,
    ADD COLUMN replaced_after bigint CHECK (replaced_after >= 0), -- microseconds
    ADD COLUMN audited int NOT NULL DEFAULT 0, -- epochs with a report
    ADD COLUMN wire bigint NOT NULL DEFAULT 0 CHECK (wire >= 0); -- bytes of all of them
CREATE INDEX leases_replaces ON leases (replaces) WHERE replaces IS NOT NULL;

ALTER TABLE proofs ADD COLUMN wire bigint NOT NULL DEFAULT 0 CHECK (wire >= 0),
    DROP CONSTRAINT proofs_verdict_check, ADD CONSTRAINT proofs_verdict_check
    CHECK (verdict IN ('pass', 'fail', 'data_fault', 'accused', 'unaudited'));
CREATE INDEX proofs_epoch ON proofs (epoch, agent);

-- What became of auditors' accusations that nobody else shared.
CREATE TABLE hearings (
    lease   bigint NOT NULL REFERENCES leases,
    epoch   bigint NOT NULL, -- of the accusation
    auditor text NOT NULL,
    heard   bigint,          -- epoch of the verdict; null while it waits
    outcome text NOT NULL CHECK (outcome IN ('waits', 'confirmed', 'refuted', 'lapsed')),
    PRIMARY KEY (lease, epoch)
);
CREATE INDEX hearings_auditor ON hearings (auditor, heard);

-- How much agents fail together, in basis points; only what is above zero.
CREATE TABLE together (
    a     text NOT NULL,
    b     text NOT NULL CHECK (a < b),
    score int NOT NULL CHECK (score BETWEEN 1 AND 10000),
    epoch bigint NOT NULL, -- in which it was last reckoned
    PRIMARY KEY (a, b)
);
CREATE INDEX together_b ON together (b);
