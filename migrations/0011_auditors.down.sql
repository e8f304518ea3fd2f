ALTER TABLE proofs DROP COLUMN paid;
DROP TABLE audit_duties;
ALTER TABLE audit_epochs DROP COLUMN seats, DROP COLUMN named_at, DROP COLUMN visits,
    DROP COLUMN canary_commit, DROP COLUMN canary_salt, DROP COLUMN canary_table;
DROP TABLE audit_panels;
DROP TABLE auditors;
