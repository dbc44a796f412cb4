-- A revision is a random number that is another one after each change of a row,
-- and surroundings one that is another one after each change of rows that are
-- shown with it. Who has kept a profile learns from them whether it is still
-- true. Random, because a count would give the
-- same number twice when a database goes back in time: to a backup, or to a
-- standby that had not seen the last commits.

create function {new_revision}() returns bigint language sql volatile as $$
	select cast(random() * 9007199254740992 as bigint)
$$;

alter table {users} add column revision bigint not null default {new_revision}(),
	add column surroundings bigint not null default {new_revision}();
alter table {organizations} add column revision bigint not null default {new_revision}();

create function {revise}() returns trigger language plpgsql set search_path from current as $$
begin
	new.revision := {new_revision}();
	return new;
end $$;
create trigger {_}revise_user before update on {users} for each row execute function {revise}();
create trigger {_}revise_organization before update on {organizations} for each row execute function {revise}();

create function {revise_owner}() returns trigger language plpgsql set search_path from current as $$
begin
	if tg_op <> 'INSERT' then
		update {users} set surroundings = {new_revision}() where id = old.user_id;
	end if;
	if tg_op <> 'DELETE' then
		update {users} set surroundings = {new_revision}() where id = new.user_id;
	end if;
	return null;
end $$;
create trigger {_}revise_member after update or delete on {memberships} for each row execute function {revise_owner}();
create trigger {_}revise_scene after insert or update or delete on {scenes} for each row execute function {revise_owner}();
create trigger {_}revise_identity after insert or delete or update of user_id on {identities} for each row execute function {revise_owner}();
create trigger {_}revise_key after insert or delete or update of user_id on {api_keys} for each row execute function {revise_owner}();

-- The user of a new membership is written once for both.
create or replace function {count_membership}() returns trigger language plpgsql set search_path from current as $$
begin
	update {users} set surroundings = {new_revision}() where id = new.user_id returning is_active into new.counted;
	new.counted := coalesce(new.counted, false);
	return new;
end $$;

create function {revise_invited}() returns trigger language plpgsql set search_path from current as $$
begin
	if tg_op <> 'INSERT' then
		update {users} set surroundings = {new_revision}() where email_folded = old.target_folded;
	end if;
	if tg_op <> 'DELETE' then
		update {users} set surroundings = {new_revision}() where email_folded = new.target_folded;
	end if;
	return null;
end $$;
create trigger {_}revise_invited after insert or update or delete on {invites} for each row execute function {revise_invited}();

create function {revise_team}() returns trigger language plpgsql set search_path from current as $$
begin
	if tg_op <> 'INSERT' then
		update {organizations} set revision = 0 where id = old.organization_id;
	end if;
	if tg_op <> 'DELETE' then
		update {organizations} set revision = 0 where id = new.organization_id;
	end if;
	return null;
end $$;
create trigger {_}revise_team after insert or update or delete on {teams} for each row execute function {revise_team}();
