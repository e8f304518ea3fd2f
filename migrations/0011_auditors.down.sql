ALTER TABLE proofs DROP COLUMN paid;
DROP TABLE audit_duties;
ALTER TABLE audit_epochs DROP COLUMN seats, DROP COLUMN named_at, DROP COLUMN visits,
    DROP COLUMN canary_seal, DROP COLUMN canary_salt, DROP COLUMN canaries;
DROP TABLE audit_panels;
DROP TABLE auditors;
