create table {tickets} (
	purpose text not null,
	hash blob not null,
	user_id integer references {users} on delete cascade,
	data blob,
	created_at integer,
	expires_at integer,
	primary key (purpose, hash)
);
create index {_}tickets_user on {tickets} (user_id, purpose);
create index {_}tickets_expiry on {tickets} (expires_at);

create table {second_factors} (
	user_id integer primary key references {users} on delete cascade,
	secret blob not null,
	last_step integer not null,
	drift integer not null,
	backup_codes text not null,
	failures integer not null,
	blocked_until integer,
	confirmed_at integer
);

create table {passkeys} (
	id text primary key,
	user_id integer not null references {users} on delete cascade,
	credential_id blob not null unique,
	user_handle blob not null,
	name text not null,
	data blob not null,
	verified integer not null,
	created_at integer,
	last_used_at integer
);
create index {_}passkeys_user on {passkeys} (user_id);
