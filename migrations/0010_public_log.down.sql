DROP INDEX proofs_epoch;
DROP TABLE commitments, promises;
