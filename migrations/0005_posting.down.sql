ALTER TABLE accounts RESET (fillfactor);
ALTER TABLE transfers
    ADD CONSTRAINT transfers_debit_fkey FOREIGN KEY (debit) REFERENCES accounts,
    ADD CONSTRAINT transfers_credit_fkey FOREIGN KEY (credit) REFERENCES accounts;
