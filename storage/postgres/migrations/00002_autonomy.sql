create table {autonomy_configs} (
	user_id bigint primary key references {users} on delete cascade,
	id text not null unique,
	autostart_priority text not null,
	created_at bigint,
	updated_at bigint
);
