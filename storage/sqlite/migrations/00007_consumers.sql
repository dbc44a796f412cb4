-- A consumer follows the activity log, and this is how far it is.
create table {consumers} (
	name text primary key,
	position integer not null,
	holder text not null,
	held_until integer,
	failures integer not null,
	retry_at integer
);

create index {_}events_target on {events} (target, id);
