-- How many users there are, and active members of an organization, are numbers
-- that triggers keep, so that a page costs the same whatever their number.
--
-- Each number is the sum of several rows. A change only adds a row, so that
-- transactions which count the same neither wait for each other nor lock each
-- other out. Now and then the rows that nobody is using are made one.

lock table {users} in share row exclusive mode;
lock table {memberships} in access exclusive mode;

-- A change of a user that finds room in its page need not touch the indexes.
alter table {users} set (fillfactor = 85);

create index {_}users_active on {users} (id) where is_active = true;
create index {_}users_staff on {users} (id) where is_staff = true;

-- user_blocks counts the users of each block of 4096 ids.
create table {user_blocks} (
	block bigint not null,
	part bigint generated always as identity,
	total bigint not null,
	active bigint not null,
	staff bigint not null,
	active_staff bigint not null,
	primary key (block, part)
);
insert into {user_blocks} (block, total, active, staff, active_staff)
	select id >> 12, count(*), count(*) filter (where is_active), count(*) filter (where is_staff),
	count(*) filter (where is_active and is_staff) from {users} group by id >> 12;

create function {count_users}() returns trigger language plpgsql set search_path from current as $$
declare
	sign bigint := case tg_op when 'INSERT' then 1 else -1 end;
begin
	insert into {user_blocks} (block, total, active, staff, active_staff)
		select id >> 12, sign * count(*), sign * count(*) filter (where is_active), sign * count(*) filter (where is_staff),
		sign * count(*) filter (where is_active and is_staff) from changed group by id >> 12;
	return null;
end $$;
create trigger {_}count_inserted after insert on {users} referencing new table as changed
	for each statement execute function {count_users}();
create trigger {_}count_deleted after delete on {users} referencing old table as changed
	for each statement execute function {count_users}();

-- counted says that a membership is among the active ones of its organization:
-- when it goes with its user, nobody could tell any more.
alter table {memberships} add column counted boolean not null default false;
update {memberships} m set counted = true from {users} u where u.id = m.user_id and u.is_active;

create function {count_user}() returns trigger language plpgsql set search_path from current as $$
begin
	insert into {user_blocks} (block, total, active, staff, active_staff) values
		(old.id >> 12, -1, -old.is_active::int, -old.is_staff::int, -(old.is_active and old.is_staff)::int),
		(new.id >> 12, 1, new.is_active::int, new.is_staff::int, (new.is_active and new.is_staff)::int);
	update {memberships} set counted = new.is_active where user_id = new.id and counted <> new.is_active;
	return null;
end $$;
create trigger {_}count_updated after update on {users} for each row
	when (old.id <> new.id or old.is_active <> new.is_active or old.is_staff <> new.is_staff) execute function {count_user}();

-- member_counts counts the active members of organizations.
create table {member_counts} (
	organization_id text collate "C" not null,
	part bigint generated always as identity,
	members bigint not null,
	primary key (organization_id, part)
);
insert into {member_counts} (organization_id, members)
	select organization_id, count(*) from {memberships} where counted group by organization_id;

-- The user is written and not only locked: whoever changes is_active at the same
-- time waits, or fails where it would not see the new membership.
create function {count_membership}() returns trigger language plpgsql set search_path from current as $$
begin
	update {users} set is_active = is_active where id = new.user_id returning is_active into new.counted;
	new.counted := coalesce(new.counted, false);
	return new;
end $$;
create trigger {_}count_before before insert or update of user_id on {memberships} for each row execute function {count_membership}();

create function {count_memberships}() returns trigger language plpgsql set search_path from current as $$
begin
	insert into {member_counts} (organization_id, members)
		select organization_id, case tg_op when 'INSERT' then count(*) else -count(*) end
		from changed c join {organizations} o on o.id = c.organization_id where counted group by organization_id;
	return null;
end $$;
create trigger {_}count_inserted after insert on {memberships} referencing new table as changed
	for each statement execute function {count_memberships}();
create trigger {_}count_deleted after delete on {memberships} referencing old table as changed
	for each statement execute function {count_memberships}();

create function {count_member}() returns trigger language plpgsql set search_path from current as $$
begin
	insert into {member_counts} (organization_id, members) values
		(old.organization_id, -old.counted::int), (new.organization_id, new.counted::int);
	return null;
end $$;
create trigger {_}count_updated after update on {memberships} for each row
	when (old.organization_id <> new.organization_id or old.counted <> new.counted) execute function {count_member}();

-- The memberships that go with an organization are counted no more: their
-- triggers run after this one.
create function {count_no_members}() returns trigger language plpgsql set search_path from current as $$
begin
	delete from {member_counts} where organization_id = old.id;
	return null;
end $$;
create trigger {_}count_deleted after delete on {organizations} for each row execute function {count_no_members}();

create function {count_nothing}() returns trigger language plpgsql set search_path from current as $$
begin
	execute 'delete from ' || tg_argv[0];
	return null;
end $$;
create trigger {_}count_truncated after truncate on {users} execute function {count_nothing}('{user_blocks}');
create trigger {_}count_truncated after truncate on {memberships} execute function {count_nothing}('{member_counts}');

-- Rows that another transaction has begun to make one are left to it. Under
-- "repeatable read" this would fail on those that it has ended. The block before,
-- to which no users are added any more, has its last chance here.
create function {join_blocks}() returns trigger language plpgsql set search_path from current as $$
begin
	with gone as (
		delete from {user_blocks} where ctid = any(array(
			select ctid from {user_blocks} where block between new.block - 1 and new.block for update skip locked
		)) returning *
	)
	insert into {user_blocks} (block, total, active, staff, active_staff)
		select block, sum(total), sum(active), sum(staff), sum(active_staff) from gone group by block
		having sum(total) <> 0 or sum(active) <> 0 or sum(staff) <> 0 or sum(active_staff) <> 0;
	return null;
end $$;
create trigger {_}count_joined after insert on {user_blocks} for each row
	when (random() < 1 / 8.0 and current_setting('transaction_isolation') = 'read committed') execute function {join_blocks}();

create function {join_members}() returns trigger language plpgsql set search_path from current as $$
begin
	with gone as (
		delete from {member_counts} where ctid = any(array(
			select ctid from {member_counts} where organization_id = new.organization_id for update skip locked
		)) returning *
	)
	insert into {member_counts} (organization_id, members)
		select organization_id, sum(members) from gone group by organization_id having sum(members) <> 0;
	return null;
end $$;
create trigger {_}count_joined after insert on {member_counts} for each row
	when (random() < 1 / 4.0 and current_setting('transaction_isolation') = 'read committed') execute function {join_members}();
