package sqlstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// insertUsers makes n users whose ids, and whether they are active or staff, are
// expressions of a number from 1.
func insertUsers(prefix string, n int, id, active, staff string) string {
	return fmt.Sprintf(`insert into %susers (id, version, uuid, distinct_id, is_active, is_staff, first_name, last_name, email, email_folded,
		pending_email, password_hash, notification_settings, events_column_config, has_seen_product_intro_for, hedgehog_config,
		has_totp, has_verified_passkey, onboarding_skipped_reason)
		with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < %d)
		select %[3]s, 1, '01900000-0000-7000-8000-' || substr(cast(1000000000000 + %[3]s as text), 2), 'distinct' || (%[3]s), %s, %s,
		'First', 'Last', 'user' || (%[3]s) || '@example.com', 'user' || (%[3]s) || '@example.com', '', '', '{}', '{}', '', '', false, false, ''
		from numbers`, prefix, n, id, active, staff)
}

// insertOrganization makes organization n.
func insertOrganization(prefix string, n int) string {
	return fmt.Sprintf(`insert into %sorganizations (id, name, slug, plugins_access_level, available_product_features, is_member_join_email_enabled,
		metadata, members_can_use_personal_api_keys, allow_publicly_shared_resources, default_anonymize_ips, sso_enforced_domains)
		values ('%s', 'Acme', 'acme', 9, '[]', true, '{}', true, true, false, '[]')`, prefix, organization(n))
}

func organization(n int) uuid.UUID { return uuid.UUID{0: byte(n), 6: 0x70, 8: 0x80} }

// changesBySQL are those that a host makes past the store. A1, A2 and A3 are
// organizations. The ids are in several blocks, some of which become empty.
var changesBySQL = []string{
	insertOrganization("acme_", 1), insertOrganization("acme_", 2), insertOrganization("acme_", 3),
	insertUsers("acme_", 300, "n * 97", "n % 4 <> 0", "n % 3 = 0"),
	insertUsers("acme_", 20, "n + 90000", "n % 2 = 0", "n % 5 = 0"),
	insertUsers("acme_", 8, "(n + 3) / 2 * 4096 - n % 2", "n % 4 < 2", "n % 8 < 4"), // the last and first ids of blocks
	"insert into acme_memberships (user_id, organization_id, level, invited_by) select id, 'A1', 1, 0 from acme_users where id % 2 = 0",
	"insert into acme_memberships (user_id, organization_id, level, invited_by) select id, 'A2', 1, 0 from acme_users where id % 3 = 0",
	"insert into acme_memberships (user_id, organization_id, level, invited_by) select id, 'A3', 1, 0 from acme_users where id > 8000",
	"update acme_users set is_active = not is_active where id % 5 = 0",
	"update acme_users set is_staff = not is_staff where id % 7 = 0",
	"update acme_users set is_active = not is_active, is_staff = is_active where id % 3 = 0",
	"update acme_users set is_active = is_active, is_staff = is_staff, first_name = 'Ann'",
	`insert into acme_memberships (user_id, organization_id, level, invited_by) select user_id, 'A1', 8, 0 from acme_memberships where organization_id = 'A2'
		on conflict (user_id, organization_id) do update set level = excluded.level`,
	`insert into acme_users select * from acme_users where id < 3000 on conflict do nothing`,
	"delete from acme_users where id % 11 = 0",
	"delete from acme_users where id between 8192 and 12287",
	"delete from acme_memberships where user_id % 13 = 0",
	"update acme_memberships set level = 15",
	`update acme_memberships set organization_id = 'A3' where organization_id = 'A2'
		and not exists (select 1 from acme_memberships o where o.user_id = acme_memberships.user_id and o.organization_id = 'A3')`,
	`update acme_memberships set user_id = 97 where organization_id = 'A2' and user_id = (select min(user_id) from acme_memberships where organization_id = 'A2')`,
	"update acme_memberships set user_id = 194 where organization_id = 'A2' and user_id = 97",
	"update acme_users set id = id + 200000 where not exists (select 1 from acme_memberships where user_id = acme_users.id)",
	"update acme_users set id = id + 1, is_active = not is_active where id > 280000",
	"update acme_memberships set organization_id = 'A2', user_id = 388 where organization_id = 'A1' and user_id = (select max(user_id) from acme_memberships where organization_id = 'A1')",
	"delete from acme_organizations where id = 'A3'",
	insertOrganization("acme_", 3),
	"delete from acme_organizations where id = 'A2'",
	"update acme_users set is_active = false",
	"update acme_users set is_active = true, is_staff = true",
	"delete from acme_users where id > 100000",
	"delete from acme_users",
	insertUsers("acme_", 5, "n", "n > 2", "n > 3"),
}

// TestNumbersOfHostChanges compares numbers and pages with naive ones after
// changes by SQL.
func TestNumbersOfHostChanges(t *testing.T) {
	t.Parallel()
	names := strings.NewReplacer("'A1'", "'"+organization(1).String()+"'", "'A2'", "'"+organization(2).String()+"'", "'A3'", "'"+organization(3).String()+"'")
	hosts(t, func(t *testing.T, h host) {
		st := h.migrated(t, "acme_")
		for _, change := range changesBySQL {
			h.exec(t, names.Replace(change))
			checkNumbers(t, h, st)
			if t.Failed() {
				t.Fatalf("after %s", change)
			}
		}
	})
}

func checkNumbers(t *testing.T, h host, st users.Reader) {
	t.Helper()
	const limit = 7
	yes, no := users.Some(true), users.Some(false)
	for condition, q := range map[string]users.Query{
		"true":                                  {},
		"is_active = true":                      {Active: true},
		"is_staff = true":                       {Staff: yes},
		"is_staff = false":                      {Staff: no},
		"is_active = true and is_staff = true":  {Active: true, Staff: yes},
		"is_active = true and is_staff = false": {Active: true, Staff: no},
	} {
		want := h.column(t, "select cast(id as text) from acme_users where "+condition+" order by acme_users.id")
		for q.Offset = 0; q.Offset <= len(want)+1; q.Offset += 5 {
			q.Limit = limit
			p, err := st.Profiles(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, p := range p.Profiles {
				got = append(got, fmt.Sprint(p.User.ID))
			}
			rest := want[min(q.Offset, len(want)):]
			if !slices.Equal(got, rest[:min(limit, len(rest))]) || p.Total != len(want) {
				t.Fatalf("%s, offset %d: got %v of %d, want %v of %d", condition, q.Offset, got, p.Total, rest[:min(limit, len(rest))], len(want))
			}
		}
	}
	const members = "select organization_id || ' ' || cast(sum(members) as bigint) from acme_member_counts group by organization_id having sum(members) <> 0 order by 1"
	const naive = `select m.organization_id || ' ' || count(*) from acme_memberships m join acme_users u on u.id = m.user_id and u.is_active = true
		group by m.organization_id order by 1`
	if got, want := h.column(t, members), h.column(t, naive); !slices.Equal(got, want) {
		t.Errorf("active members: got %q, want %q", got, want)
	}
	const blocks = `select block || ' ' || cast(sum(total) as bigint) from acme_user_blocks group by block having sum(total) <> 0 order by block`
	const naiveBlocks = `select (id >> 12) || ' ' || count(*) from acme_users group by id >> 12 order by id >> 12`
	if got, want := h.column(t, blocks), h.column(t, naiveBlocks); !slices.Equal(got, want) {
		t.Errorf("users by block: got %q, want %q", got, want)
	}
	const left = `select 'a block without users' from acme_user_blocks group by block having count(*) = 1 and sum(total) = 0
		union all select 'members of no organization' from acme_member_counts where organization_id not in (select id from acme_organizations)`
	if got := h.column(t, left); len(got) > 0 {
		t.Errorf("left behind: %q", got)
	}
}
