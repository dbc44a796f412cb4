create table {users} (
	id integer primary key autoincrement,
	version integer not null,
	uuid text not null unique,
	distinct_id text not null unique,
	date_joined integer,
	last_login integer,
	is_active integer not null,
	is_staff integer not null,
	first_name text not null,
	last_name text not null,
	email text not null,
	email_folded text not null unique,
	pending_email text not null,
	is_email_verified integer,
	password_hash text not null,
	current_organization text references {organizations} on delete set null,
	current_team integer references {teams} on delete set null,
	notification_settings text not null,
	anonymize_data integer,
	allow_impersonation integer,
	toolbar_mode text,
	events_column_config text not null,
	has_seen_product_intro_for text not null,
	theme_mode text,
	hedgehog_config text not null,
	allow_sidebar_suggestions integer,
	shortcut_position text,
	role_at_organization text,
	has_totp integer not null,
	has_verified_passkey integer not null,
	passkeys_enabled_for_2fa integer,
	credentials_reviewed_at integer,
	onboarding_skipped_at integer,
	onboarding_skipped_reason text not null,
	onboarding_skipped_organization text
);
create index {_}users_current_organization on {users} (current_organization);
create index {_}users_current_team on {users} (current_team);

create table {organizations} (
	id text primary key,
	name text not null,
	slug text not null,
	logo_media_id text,
	created_at integer,
	updated_at integer,
	plugins_access_level integer not null,
	available_product_features text not null,
	is_member_join_email_enabled integer not null,
	metadata text not null,
	customer_id text,
	enforce_2fa integer,
	members_can_invite integer,
	members_can_use_personal_api_keys integer not null,
	allow_publicly_shared_resources integer not null,
	is_ai_data_processing_approved integer,
	default_experiment_stats_method text,
	default_anonymize_ips integer not null,
	default_role_id text,
	is_active integer,
	is_not_active_reason text,
	is_pending_deletion integer,
	sso_enforced_domains text not null
);

create table {sso_domains} (
	organization_id text not null references {organizations} on delete cascade,
	domain text not null,
	primary key (domain, organization_id)
);
create index {_}sso_domains_organization on {sso_domains} (organization_id);

create table {teams} (
	id integer primary key autoincrement,
	uuid text not null,
	organization_id text not null references {organizations} on delete cascade,
	project_id integer not null,
	api_token text not null,
	name text not null,
	completed_snippet_onboarding integer not null,
	has_completed_onboarding_for text not null,
	ingested_event integer not null,
	is_demo integer not null,
	timezone text not null,
	access_control integer not null
);
create index {_}teams_organization on {teams} (organization_id);

create table {memberships} (
	user_id integer not null references {users} on delete cascade,
	organization_id text not null references {organizations} on delete cascade,
	level integer not null,
	joined_at integer,
	invited_by integer not null,
	primary key (user_id, organization_id)
);
create index {_}memberships_organization on {memberships} (organization_id);

create table {invites} (
	id text primary key,
	organization_id text not null references {organizations} on delete cascade,
	target_email text not null,
	target_folded text not null,
	created_at integer
);
create index {_}invites_target on {invites} (target_folded, created_at);
create index {_}invites_organization on {invites} (organization_id);

create table {identities} (
	user_id integer not null references {users} on delete cascade,
	provider text not null,
	subject text not null,
	login text not null,
	created_at integer,
	primary key (provider, subject)
);
create index {_}identities_user on {identities} (user_id);

create table {scenes} (
	id integer primary key autoincrement,
	user_id integer not null references {users} on delete cascade,
	team_id integer not null references {teams} on delete cascade,
	scene text not null,
	dashboard_id integer not null,
	unique (user_id, team_id, scene)
);
create index {_}scenes_team on {scenes} (team_id);
create index {_}scenes_dashboard on {scenes} (dashboard_id);

create table {events} (
	id integer primary key autoincrement,
	at integer,
	actor integer not null,
	credential text not null,
	target integer not null,
	action text not null,
	fields text not null
);

create table {sessions} (
	id text primary key,
	hash blob not null unique,
	user_id integer not null references {users} on delete cascade,
	created_at integer,
	expires_at integer,
	last_activity integer,
	method text not null,
	second_factor integer not null,
	user_agent text not null
);
create index {_}sessions_user on {sessions} (user_id);
create index {_}sessions_expiry on {sessions} (expires_at);

create table {api_keys} (
	id text primary key,
	user_id integer not null references {users} on delete cascade,
	label text not null,
	hash blob not null unique,
	mask text not null,
	scopes text not null,
	scoped_teams text not null,
	scoped_organizations text not null,
	created_at integer,
	last_used_at integer,
	last_rolled_at integer,
	expires_at integer
);
create index {_}api_keys_user on {api_keys} (user_id);

create table {oauth_tokens} (
	hash blob primary key,
	user_id integer not null references {users} on delete cascade,
	application text not null,
	scopes text not null,
	scoped_teams text not null,
	created_at integer,
	expires_at integer
);
create index {_}oauth_tokens_user on {oauth_tokens} (user_id);
create index {_}oauth_tokens_expiry on {oauth_tokens} (expires_at);

create table {attempts} (
	id text primary key,
	times text not null,
	expires_at integer
);
create index {_}attempts_expiry on {attempts} (expires_at);
