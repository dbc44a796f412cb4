-- How many users there are, and active members of an organization, are numbers
-- that triggers keep, so that a page costs the same whatever their number. What
-- other programs change is counted too, but "insert or replace": SQLite runs no
-- triggers for the rows that it deletes.

create index {_}users_active on {users} (id) where is_active = true;
create index {_}users_staff on {users} (id) where is_staff = true;

-- user_blocks counts the users of each block of 4096 ids that has any.
create table {user_blocks} (
	block integer primary key,
	total integer not null,
	active integer not null,
	staff integer not null,
	active_staff integer not null
);
insert into {user_blocks} (block, total, active, staff, active_staff)
	select id >> 12, count(*), sum(is_active), sum(is_staff), sum(is_active * is_staff) from {users} group by id >> 12;

create trigger {_}count_user_inserted after insert on {users} begin
	insert into {user_blocks} (block, total, active, staff, active_staff)
		values (new.id >> 12, 1, new.is_active, new.is_staff, new.is_active * new.is_staff)
		on conflict (block) do update set total = total + 1, active = active + excluded.active,
		staff = staff + excluded.staff, active_staff = active_staff + excluded.active_staff;
end;
create trigger {_}count_user_updated after update of id, is_active, is_staff on {users}
	when old.id <> new.id or old.is_active <> new.is_active or old.is_staff <> new.is_staff begin
	insert into {user_blocks} (block, total, active, staff, active_staff)
		values (new.id >> 12, 1, new.is_active, new.is_staff, new.is_active * new.is_staff)
		on conflict (block) do update set total = total + 1, active = active + excluded.active,
		staff = staff + excluded.staff, active_staff = active_staff + excluded.active_staff;
	update {user_blocks} set total = total - 1, active = active - old.is_active, staff = staff - old.is_staff,
		active_staff = active_staff - old.is_active * old.is_staff where block = old.id >> 12;
	delete from {user_blocks} where block = old.id >> 12 and total = 0;
end;
create trigger {_}count_user_deleted after delete on {users} begin
	update {user_blocks} set total = total - 1, active = active - old.is_active, staff = staff - old.is_staff,
		active_staff = active_staff - old.is_active * old.is_staff where block = old.id >> 12;
	delete from {user_blocks} where block = old.id >> 12 and total = 0;
end;

-- member_counts has the active members of organizations that ever had any.
create table {member_counts} (
	organization_id text primary key,
	members integer not null
) without rowid;
insert into {member_counts} (organization_id, members)
	select m.organization_id, count(*) from {memberships} m join {users} u on u.id = m.user_id where u.is_active group by m.organization_id;

create trigger {_}count_member_inserted after insert on {memberships} begin
	insert into {member_counts} (organization_id, members)
		select new.organization_id, 1 from {users} where id = new.user_id and is_active
		on conflict (organization_id) do update set members = members + 1;
end;
create trigger {_}count_member_updated after update of user_id, organization_id on {memberships}
	when old.user_id <> new.user_id or old.organization_id <> new.organization_id begin
	update {member_counts} set members = members - 1
		where organization_id = old.organization_id and exists (select 1 from {users} where id = old.user_id and is_active);
	insert into {member_counts} (organization_id, members)
		select new.organization_id, 1 from {users} where id = new.user_id and is_active
		on conflict (organization_id) do update set members = members + 1;
end;
-- The memberships of a user that is deleted go after it, and find it no more.
create trigger {_}count_member_deleted after delete on {memberships} begin
	update {member_counts} set members = members - 1
		where organization_id = old.organization_id and exists (select 1 from {users} where id = old.user_id and is_active);
end;
create trigger {_}count_member_gone before delete on {users} when old.is_active begin
	update {member_counts} set members = members - 1
		where organization_id in (select organization_id from {memberships} where user_id = old.id);
end;
create trigger {_}count_member_changed after update of is_active on {users} when old.is_active <> new.is_active begin
	insert into {member_counts} (organization_id, members)
		select organization_id, new.is_active - old.is_active from {memberships} where user_id = new.id
		on conflict (organization_id) do update set members = members + excluded.members;
end;
create trigger {_}count_member_nowhere after delete on {organizations} begin
	delete from {member_counts} where organization_id = old.id;
end;
