package integrations

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	// stateLifetime and stateLength are from contract section 7.
	stateLifetime = 10 * time.Minute
	stateLength   = 48
	// maxStates waiting of one user; the oldest give way.
	maxStates = 10
	// verifierBytes is the randomness in a PKCE code verifier: 32 octets, which
	// base64url turns into 43 characters, the least RFC 7636 §4.1 allows.
	verifierBytes = 32
)

// stateAlphabet is what a state token consists of: letters and digits.
const stateAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// Flow is the way a user is sent through GitHub.
type Flow string

// The flows. FlowInstall lets the user choose an account to install the App on;
// FlowAuthorize proves access to an installation that a team has.
const (
	FlowInstall   Flow = "app_install"
	FlowAuthorize Flow = "oauth_authorize"
)

// ConnectFromCode is the one client that is sent back to a page of its own.
const ConnectFromCode = "posthog_code"

// StateHash is the SHA-256 of a state token. A store keeps it in place of the
// token.
type StateHash [sha256.Size]byte

// LinkState is a link that was started and not finished.
type LinkState struct {
	Hash   StateHash
	UserID users.ID // only this user's session can finish it
	Flow   Flow
	// InstallationID is what FlowAuthorize is about; "" for FlowInstall.
	InstallationID string
	ConnectFrom    string // ConnectFromCode or ""
	// SealedVerifier is the PKCE code verifier, encrypted by a Sealer for exactly
	// this state; nil if there is none.
	SealedVerifier []byte
	ExpiresAt      time.Time
}

// Clone returns a copy that shares nothing with s.
func (s LinkState) Clone() LinkState {
	s.SealedVerifier = append([]byte(nil), s.SealedVerifier...)
	return s
}

// StartRequest is what a caller may choose about a link. The zero value starts
// one for the current team.
type StartRequest struct {
	TeamID      users.TeamID // zero means the user's current team
	ConnectFrom string       // anything but ConnectFromCode has no effect
}

// Started is where to send the browser. URL holds a secret of this link.
type Started struct {
	URL  string
	Flow Flow
}

// chooseFlow decides how to link: if a team has an installation, by proving
// access to the first of them, otherwise by installing the App.
func chooseFlow(team []TeamInstallation) (flow Flow, installationID string) {
	for _, i := range team { // by ID
		if i.InstallationID != "" {
			return FlowAuthorize, i.InstallationID
		}
	}
	return FlowInstall, ""
}

// Start begins a link for a user. It returns ErrTeam for a team that the user
// may not see or that does not exist, and ErrNotConfigured.
func (s *Service) Start(ctx context.Context, user users.ID, r StartRequest) (Started, error) {
	team, err := s.teamOf(ctx, user, r.TeamID)
	if err != nil {
		return Started{}, fmt.Errorf("start link: %w", err)
	}
	var installations []TeamInstallation
	if team != 0 {
		if installations, err = s.store.TeamInstallations(ctx, TeamQuery{TeamID: team}); err != nil {
			return Started{}, fmt.Errorf("start link: %w", err)
		}
	}
	state := LinkState{UserID: user, ExpiresAt: s.now().Add(stateLifetime)}
	state.Flow, state.InstallationID = chooseFlow(installations)
	if r.ConnectFrom == ConnectFromCode {
		state.ConnectFrom = ConnectFromCode
	}
	address, err := s.address(&state)
	if err != nil {
		return Started{}, err
	}
	if err := s.store.UpdateIntegrations(ctx, func(tx Tx) error { return s.addState(ctx, tx, state) }); err != nil {
		return Started{}, fmt.Errorf("start link: %w", err)
	}
	return Started{URL: address, Flow: state.Flow}, nil
}

// address makes the state's secrets and the page of GitHub that takes them.
func (s *Service) address(state *LinkState) (string, error) {
	if s.config.Provider == nil {
		return "", ErrNotConfigured
	}
	token, err := s.newStateToken()
	if err != nil {
		return "", err
	}
	state.Hash = sha256.Sum256([]byte(token))
	value := "token=" + token + "&source=user_integration"
	var address string
	if state.Flow == FlowAuthorize {
		request := AuthorizeRequest{RedirectURI: s.config.CallbackURL, State: value}
		if !s.config.DisablePKCE {
			if request.Challenge, err = s.newVerifier(state); err != nil {
				return "", err
			}
		}
		address, err = s.config.Provider.AuthorizeURL(request)
	} else {
		address, err = s.config.Provider.InstallURL(value)
	}
	if failed(err, NotConfigured) {
		return "", ErrNotConfigured
	} else if err != nil {
		return "", fmt.Errorf("start link: %w", err)
	}
	return address, nil
}

// newStateToken draws letters and digits evenly: a byte over the largest
// multiple of their number is drawn again.
func (s *Service) newStateToken() (string, error) {
	const even = 256 / len(stateAlphabet) * len(stateAlphabet)
	token := make([]byte, 0, stateLength)
	var b [stateLength]byte
	for len(token) < stateLength {
		if _, err := io.ReadFull(s.config.Rand, b[:stateLength-len(token)]); err != nil {
			return "", fmt.Errorf("read randomness: %w", err)
		}
		for _, c := range b[:stateLength-len(token)] {
			if int(c) < even {
				token = append(token, stateAlphabet[int(c)%len(stateAlphabet)])
			}
		}
	}
	return string(token), nil
}

// newVerifier makes a code verifier, seals it into the state and returns its
// S256 challenge.
func (s *Service) newVerifier(state *LinkState) (challenge string, err error) {
	var b [verifierBytes]byte
	if _, err := io.ReadFull(s.config.Rand, b[:]); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	verifier := base64.RawURLEncoding.EncodeToString(b[:])
	state.SealedVerifier = s.sealer.Seal([]byte(verifier), state.place())
	hash := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(hash[:]), nil
}

func (s LinkState) place() string {
	return "link_states/" + hex.EncodeToString(s.Hash[:]) + "/verifier"
}

// addState stores a state and drops expired ones and those that are too many.
func (s *Service) addState(ctx context.Context, tx Tx, state LinkState) error {
	// The lock on the user makes the count right under a race.
	if _, err := tx.User(ctx, state.UserID); err != nil {
		return err
	}
	states, err := tx.LinkStates(ctx, state.UserID) // the oldest first
	if err != nil {
		return err
	}
	for i, old := range states {
		if old.ExpiresAt.After(s.now()) && len(states)-i < maxStates {
			break
		}
		if err := tx.DeleteLinkState(ctx, old.Hash); err != nil {
			return err
		}
	}
	return tx.SaveLinkState(ctx, state)
}

// teamOf is the team to look at: the one asked for, which the user must be able
// to see, or else the current one, if there is one to see.
func (s *Service) teamOf(ctx context.Context, user users.ID, asked users.TeamID) (users.TeamID, error) {
	team := asked
	if team == 0 {
		u, err := s.store.User(ctx, user)
		if err != nil {
			return 0, err
		}
		if team = u.CurrentTeam; team == 0 {
			return 0, nil
		}
	}
	visible, err := canSee(ctx, s.store, user, team)
	switch {
	case err != nil:
		return 0, err
	case visible:
		return team, nil
	case asked != 0:
		return 0, ErrTeam
	}
	return 0, nil
}

// canSee reports whether a user may see a team, which need not exist.
func canSee(ctx context.Context, r Reader, user users.ID, id users.TeamID) (bool, error) {
	team, err := r.Team(ctx, id)
	if errors.Is(err, users.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	memberships, err := r.Memberships(ctx, user)
	if err != nil {
		return false, err
	}
	for _, m := range memberships {
		if m.OrganizationID == team.OrganizationID {
			return team.VisibleAt(m.Level), nil
		}
	}
	return false, nil
}

// findState returns the waiting state of a user that the state parameter of a
// callback names: as a query string with a token, or as the bare token.
func (s *Service) findState(ctx context.Context, r Reader, user users.ID, parameter string) (LinkState, error) {
	token := parameter
	if q, err := url.ParseQuery(parameter); err == nil && q.Has("token") {
		token = q.Get("token")
	}
	hash := StateHash(sha256.Sum256([]byte(token)))
	states, err := r.LinkStates(ctx, user)
	if err != nil {
		return LinkState{}, err
	}
	for _, state := range states {
		if state.Hash == hash && state.ExpiresAt.After(s.now()) {
			return state, nil
		}
	}
	return LinkState{}, users.ErrNotFound
}
