DROP TABLE together, hearings;
DROP INDEX proofs_epoch;
UPDATE proofs SET verdict = 'fail' WHERE verdict = 'accused';
ALTER TABLE proofs DROP COLUMN wire, DROP CONSTRAINT proofs_verdict_check,
    ADD CONSTRAINT proofs_verdict_check CHECK (verdict IN ('pass', 'fail', 'data_fault', 'unaudited'));
ALTER TABLE leases DROP COLUMN cause, DROP COLUMN accused, DROP COLUMN dropping,
    DROP COLUMN wire, DROP COLUMN audited, DROP COLUMN replaces, DROP COLUMN replaced_after;
