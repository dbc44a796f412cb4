package storagetest

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func organizationTests() []test {
	return []test{
		{"round trip of every field", testOrganizationRoundTrip},
		{"round trip of missing and zero values", testOrganizationNulls},
		{"not found", testOrganizationNotFound},
		{"copies", testOrganizationCopies},
		{"enforced domains", testSSOEnforced},
	}
}

// fullOrganization sets every field to something that is not its zero value.
func fullOrganization() users.Organization {
	return users.Organization{
		ID: number(1), Name: odd, Slug: "s", LogoMediaID: users.Some(number(9)), CreatedAt: at(0), UpdatedAt: at(1),
		PluginsAccessLevel: 9, AvailableProductFeatures: oddJSON, IsMemberJoinEmailEnabled: true, Metadata: oddJSON,
		CustomerID: users.Some(odd), Enforce2FA: users.Some(true), MembersCanInvite: users.Some(true),
		MembersCanUsePersonalAPIKeys: true, AllowPubliclySharedResources: true, IsAIDataProcessingApproved: users.Some(true),
		DefaultExperimentStatsMethod: users.Some("bayesian"), DefaultAnonymizeIPs: true, DefaultRoleID: users.Some(odd),
		IsActive: users.Some(true), IsNotActiveReason: users.Some(odd), IsPendingDeletion: users.Some(true),
		SSOEnforcedDomains: []string{"z.example", "a.example", odd},
	}
}

func testOrganizationRoundTrip(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	want := fullOrganization()
	complete(t, want)
	put(t, st, auth.Tx.SaveOrganization, newOrganization(number(2)), want)
	same(t, "Organization", must(st.Organization(ctx, want.ID))(t), want)

	want.Name, want.UpdatedAt, want.LogoMediaID = "Renamed", at(50), users.Some(number(8))
	want.SSOEnforcedDomains = []string{"b.example"}
	put(t, st, auth.Tx.SaveOrganization, want)
	same(t, "Organization after it was replaced", must(st.Organization(ctx, want.ID))(t), want)
	same(t, "another Organization", must(st.Organization(ctx, number(2)))(t), newOrganization(number(2)))
}

func testOrganizationNulls(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	read := func() users.Organization {
		t.Helper()
		o := must(st.Organization(ctx, number(1)))(t)
		if len(o.SSOEnforcedDomains) == 0 {
			o.SSOEnforcedDomains = nil // nil and empty are one
		}
		return o
	}
	put(t, st, auth.Tx.SaveOrganization, fullOrganization())
	bare := users.Organization{ID: number(1)}
	put(t, st, auth.Tx.SaveOrganization, bare)
	same(t, "Organization with nothing set", read(), bare)

	zero := bare
	zero.LogoMediaID, zero.Metadata = users.Some(uuid.Nil), `{}`
	zero.CustomerID, zero.DefaultExperimentStatsMethod, zero.DefaultRoleID = users.Some(""), users.Some(""), users.Some("")
	zero.IsNotActiveReason = users.Some("")
	zero.Enforce2FA, zero.MembersCanInvite, zero.IsActive = users.Some(false), users.Some(false), users.Some(false)
	zero.IsAIDataProcessingApproved, zero.IsPendingDeletion = users.Some(false), users.Some(false)
	put(t, st, auth.Tx.SaveOrganization, zero)
	same(t, "Organization with zero values", read(), zero)
}

func testOrganizationNotFound(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	o := addOrganization(t, st, number(1))
	for _, id := range []uuid.UUID{uuid.Nil, number(2)} {
		_, err := st.Organization(ctx, id)
		refused(t, "Organization with an unknown ID", err, users.ErrNotFound)
		refused(t, "DeleteOrganization with an unknown ID", try(t, st, auth.Tx.DeleteOrganization, id), users.ErrNotFound)
	}
	put(t, st, auth.Tx.DeleteOrganization, o.ID)
	_, err := st.Organization(ctx, o.ID)
	refused(t, "Organization after DeleteOrganization", err, users.ErrNotFound)
	refused(t, "DeleteOrganization twice", try(t, st, auth.Tx.DeleteOrganization, o.ID), users.ErrNotFound)
}

func testOrganizationCopies(t *testing.T, st storage.Storage) {
	want := fullOrganization()
	in := want.Clone()
	update(t, st, func(ctx context.Context, tx auth.Tx) error {
		if err := tx.SaveOrganization(ctx, in); err != nil {
			return err
		}
		in.SSOEnforcedDomains[0] = "spoiled"
		got, err := tx.Organization(ctx, in.ID)
		same(t, "Organization after its input was changed", got, want)
		return err
	})
	for range 2 {
		got := must(st.Organization(t.Context(), want.ID))(t)
		same(t, "Organization", got, want)
		for i := range got.SSOEnforcedDomains {
			got.SSOEnforcedDomains[i] = "spoiled"
		}
	}
}

func testSSOEnforced(t *testing.T, st storage.Storage) {
	check := func(call string, want ...string) {
		t.Helper()
		for _, domain := range []string{"a.example", "b.example", "xn--bcher-kva.example", "example", "A.example", ".example", "%.example", "_.example", ""} {
			got := must(st.SSOEnforced(t.Context(), domain))(t)
			same(t, "SSOEnforced("+domain+") after "+call, got, slices.Contains(want, domain))
		}
	}
	check("nothing")
	acme, beta := newOrganization(number(1)), newOrganization(number(2))
	acme.SSOEnforcedDomains = []string{"a.example", "xn--bcher-kva.example"}
	beta.SSOEnforcedDomains = []string{"b.example", "a.example"}
	put(t, st, auth.Tx.SaveOrganization, acme, beta, newOrganization(number(3)))
	check("two organizations were saved", "a.example", "b.example", "xn--bcher-kva.example")
	acme.SSOEnforcedDomains = []string{"xn--bcher-kva.example"}
	put(t, st, auth.Tx.SaveOrganization, acme)
	check("one of two was changed", "a.example", "b.example", "xn--bcher-kva.example")
	put(t, st, auth.Tx.DeleteOrganization, beta.ID)
	check("the other was deleted", "xn--bcher-kva.example")
	acme.SSOEnforcedDomains = nil
	put(t, st, auth.Tx.SaveOrganization, acme)
	check("the last was taken out")
}
