-- A consumer follows the activity log, and this is how far it is.
create table {consumers} (
	name text collate "C" primary key,
	position bigint not null,
	holder text not null,
	held_until bigint,
	failures bigint not null,
	retry_at bigint
);

create index {_}events_target on {events} (target, id);
