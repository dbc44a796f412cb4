create table {tickets} (
	purpose text not null,
	hash bytea not null,
	user_id bigint references {users} on delete cascade,
	data bytea,
	created_at bigint,
	expires_at bigint,
	primary key (purpose, hash)
);
create index {_}tickets_user on {tickets} (user_id, purpose);
create index {_}tickets_expiry on {tickets} (expires_at);

create table {second_factors} (
	user_id bigint primary key references {users} on delete cascade,
	secret bytea not null,
	last_step bigint not null,
	drift bigint not null,
	backup_codes text not null,
	failures bigint not null,
	blocked_until bigint,
	confirmed_at bigint
);

create table {passkeys} (
	id text collate "C" primary key,
	user_id bigint not null references {users} on delete cascade,
	credential_id bytea not null unique,
	user_handle bytea not null,
	name text not null,
	data bytea not null,
	verified boolean not null,
	created_at bigint,
	last_used_at bigint
);
create index {_}passkeys_user on {passkeys} (user_id);
