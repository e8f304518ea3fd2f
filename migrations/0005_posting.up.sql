-- The ledger books many transfers a transaction. A posting locks the accounts of every transfer that
-- it writes, so the foreign keys only repeated, once a row and side, what it has just seen; the
-- audit of the books names a transfer whose account is not there. Balances change often and keys
-- never: room left on a page lets a balance be written beside the old one, without the index.
ALTER TABLE transfers DROP CONSTRAINT transfers_debit_fkey, DROP CONSTRAINT transfers_credit_fkey;
-- A statement shows the balance after each line. It is known when the line is written, and the
-- lines before it would have to be added up anew for every page otherwise. The holder of a payable
-- account is the last part of its key; without an index a statement would read all accounts.
ALTER TABLE transfers
    ADD COLUMN debit_after  numeric(40,0) CHECK (debit_after >= 0),
    ADD COLUMN credit_after numeric(40,0) CHECK (credit_after >= 0);
CREATE INDEX accounts_payee ON accounts (split_part(key, ':', 4)) WHERE key LIKE 'payable:%';
ALTER TABLE accounts SET (fillfactor = 50);
