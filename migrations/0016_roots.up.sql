-- An agent that holds a v1 torrent may commit to the Merkle root of its blocks: then audits ask it for
-- blocks alone, which the .torrent has no hashes of. Null is an agent that committed to none, as those of
-- the release before do.
ALTER TABLE leases ADD COLUMN root text CHECK (root ~ '^[0-9a-f]{64}$');
