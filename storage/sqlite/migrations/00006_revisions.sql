-- SQLite itself tells whether a database has changed, so that it needs no
-- revisions.
select 1;
