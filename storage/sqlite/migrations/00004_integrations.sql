create table {installations} (
	id text primary key,
	user_id integer not null references {users} on delete cascade,
	installation_id text not null,
	created_at integer,
	updated_at integer,
	repository_selection text not null,
	account_id integer not null,
	account_login text not null,
	account_type text not null,
	github_user_id integer not null,
	github_user_login text not null,
	github_user_type text not null,
	sealed blob,
	token_refreshed_at integer,
	token_lifetime integer not null,
	user_token_refreshed_at integer,
	user_token_expires_at integer,
	refresh_token_expires_at integer,
	unavailable_since integer,
	snapshot_at integer,
	etag text not null,
	unique (user_id, installation_id)
);
create index {_}installations_installation on {installations} (installation_id);

create table {repositories} (
	link_id text primary key references {installations} on delete cascade,
	list text not null
);

create table {branches} (
	link_id text not null references {installations} on delete cascade,
	repository text not null,
	names text not null,
	default_branch text not null,
	default_at integer,
	refreshed_at integer,
	expires_at integer,
	primary key (link_id, repository)
);
create index {_}branches_expiry on {branches} (expires_at);

create table {team_installations} (
	id integer primary key autoincrement,
	team_id integer not null references {teams} on delete cascade,
	installation_id text not null,
	created_by integer references {users} on delete set null,
	connecting_login text not null,
	created_at integer,
	unique (team_id, installation_id)
);
create index {_}team_installations_installation on {team_installations} (installation_id);
create index {_}team_installations_creator on {team_installations} (created_by);

create table {link_states} (
	hash blob primary key,
	user_id integer not null references {users} on delete cascade,
	flow text not null,
	installation_id text not null,
	connect_from text not null,
	sealed_verifier blob,
	expires_at integer
);
create index {_}link_states_user on {link_states} (user_id);
create index {_}link_states_expiry on {link_states} (expires_at);

create table {install_requests} (
	id text primary key,
	user_id integer not null references {users} on delete cascade,
	github_user_id integer,
	github_login text not null,
	status text not null,
	installation_id text not null,
	account_login text not null,
	account_type text not null,
	requested_at integer,
	resolved_at integer
);
create index {_}install_requests_user on {install_requests} (user_id);
create index {_}install_requests_github_user on {install_requests} (github_user_id);

create table {claims} (
	name text primary key,
	holder text not null,
	until integer
);
create index {_}claims_expiry on {claims} (until);
