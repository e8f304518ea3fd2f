-- The ledger books many transfers a transaction. A posting locks the accounts of every transfer that
-- it writes, so the foreign keys only repeated, once a row and side, what it has just seen; the
-- audit of the books names a transfer whose account is not there. Balances change often and keys
-- never: room left on a page lets a balance be written beside the old one, without the index.
ALTER TABLE transfers DROP CONSTRAINT transfers_debit_fkey, DROP CONSTRAINT transfers_credit_fkey;
ALTER TABLE accounts SET (fillfactor = 50);
