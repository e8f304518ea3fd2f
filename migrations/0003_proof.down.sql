DROP TABLE chain_txs, signatures, cheques, proofs, reports, audit_epochs;
