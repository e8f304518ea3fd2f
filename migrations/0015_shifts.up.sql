-- What an epoch made of an auditor is kept beside what it did, so that whoever has the public log can
-- reckon every standing again. Shifts are numbered, to be listed by page. A release that does not know the
-- columns writes none of them, and its epochs tell of duties alone.
ALTER TABLE audit_duties
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN stood text NOT NULL DEFAULT '',  -- its standing before the epoch was judged
    ADD COLUMN stands text NOT NULL DEFAULT '', -- ... and after
    ADD COLUMN record_before jsonb,
    ADD COLUMN record_after jsonb;
CREATE INDEX audit_duties_epoch ON audit_duties (epoch, id);
