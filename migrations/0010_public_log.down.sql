DROP INDEX proofs_of_epoch;
DROP TABLE commitments, promises;
