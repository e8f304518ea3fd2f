DROP INDEX audit_duties_epoch;
ALTER TABLE audit_duties DROP COLUMN id, DROP COLUMN stood, DROP COLUMN stands,
    DROP COLUMN record_before, DROP COLUMN record_after;
