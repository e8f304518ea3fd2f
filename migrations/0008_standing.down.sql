ALTER TABLE offers DROP COLUMN record, DROP COLUMN outlook;
