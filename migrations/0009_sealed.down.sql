ALTER TABLE audit_epochs DROP COLUMN closed_at;
