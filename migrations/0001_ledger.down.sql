DROP TABLE solvency, chain_cursor, mandates, posters, transfers, accounts;
DROP FUNCTION refuse_change();
