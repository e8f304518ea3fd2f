DROP TABLE leaders, bars, leases, calls, offers, bounties, torrents;
