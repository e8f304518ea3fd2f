ALTER TABLE accounts RESET (fillfactor);
DROP INDEX accounts_payee;
ALTER TABLE transfers DROP COLUMN debit_after, DROP COLUMN credit_after,
    ADD CONSTRAINT transfers_debit_fkey FOREIGN KEY (debit) REFERENCES accounts,
    ADD CONSTRAINT transfers_credit_fkey FOREIGN KEY (credit) REFERENCES accounts;
