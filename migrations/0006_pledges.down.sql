DROP INDEX bounties_unfunded;
ALTER TABLE proofs DROP COLUMN drawn_from;
ALTER TABLE bounties DROP COLUMN worst;
DROP TABLE pledges;
