-- Reports of an epoch are taken until it is closed, and read by others only then: nobody shall report
-- what others found. It is closed before it is judged, so that all leases are judged by the same words.
-- A release that does not know the column judges as before; what is judged is closed too.
ALTER TABLE audit_epochs ADD COLUMN closed_at timestamptz;
