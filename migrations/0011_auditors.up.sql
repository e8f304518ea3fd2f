-- Auditors register themselves, are admitted by the operator, keep a standing by what they did, and are
-- paid a part of the fee. The panel of an epoch is named before the block that draws from it is known.
-- A release that does not know the tables asks the addresses in audit_epochs.auditors, all alike.
CREATE TABLE auditors (
    id            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    address       text PRIMARY KEY,
    terms         jsonb NOT NULL, -- as it signed them; those of the configuration are not signed
    state         text NOT NULL CHECK (state IN ('applied', 'admitted', 'paused', 'suspended', 'refused',
                      'left')),
    reason        text NOT NULL DEFAULT '',
    signs         boolean NOT NULL, -- cheques too, by configuration
    standing      text NOT NULL DEFAULT 'new' CHECK (standing IN ('new', 'vetted', 'suspended',
                      'disqualified')),
    record        jsonb,
    outlook       jsonb,
    registered_at timestamptz NOT NULL,
    moved_at      timestamptz NOT NULL
);

CREATE TABLE audit_panels (
    epoch    bigint PRIMARY KEY,
    seats    jsonb NOT NULL,
    named_at timestamptz NOT NULL
);
ALTER TABLE audit_epochs
    ADD COLUMN seats jsonb,          -- absent: the addresses in auditors, which all sign
    ADD COLUMN named_at timestamptz,
    ADD COLUMN visits int,           -- how many reports are due
    ADD COLUMN canary_seal text NOT NULL DEFAULT repeat('0', 64), -- SHA-256 of the canaries and the salt
    ADD COLUMN canary_salt text NOT NULL DEFAULT repeat('0', 64), -- these two only when the seal is open
    ADD COLUMN canaries jsonb;

-- What an epoch asked of an auditor, and what became of it.
CREATE TABLE audit_duties (
    epoch    bigint NOT NULL REFERENCES audit_epochs,
    auditor  text NOT NULL,
    due      int NOT NULL CHECK (due >= 0),
    done     int NOT NULL CHECK (done BETWEEN 0 AND due),
    canaries int NOT NULL CHECK (canaries BETWEEN 0 AND due),
    lies     int NOT NULL CHECK (lies BETWEEN 0 AND canaries),
    refuted  int NOT NULL CHECK (refuted >= 0),
    PRIMARY KEY (auditor, epoch)
);

-- Which auditors a proof pays, and to whom.
ALTER TABLE proofs ADD COLUMN paid jsonb NOT NULL DEFAULT '[]';
