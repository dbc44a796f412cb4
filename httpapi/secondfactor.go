package httpapi

import (
	"encoding/base64"
	"net/http"

	"github.com/hedgerow-dev/hedgerow/auth"
)

// startTOTP answers contract section 8.10, with two members of ours: the secret
// as URL and as image.
func (a *API) startTOTP(c *call) (answer, error) {
	setup, err := a.auth.StartTOTP(c.Context(), c.principal)
	if err != nil {
		return answer{}, err
	}
	image, err := setup.QRCode()
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.open()
	j.bool("success", true)
	j.text("secret", string(setup.Secret))
	j.text("otpauth_url", string(setup.URL))
	j.text("qr_code", "data:image/png;base64,"+base64.StdEncoding.EncodeToString(image))
	j.close()
	return answer{body: j.bytes()}, nil
}

func (a *API) confirmTOTP(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	if err := a.auth.ConfirmTOTP(c.Context(), c.principal, c.body.code("token")); err != nil {
		return answer{}, err
	}
	return success(), nil
}

// twoFactorStatus answers contract section 10.2 with the number of backup codes,
// as they cannot be read (design D10).
func (a *API) twoFactorStatus(c *call) (answer, error) {
	s, err := a.auth.TwoFactor(c.Context(), c.target)
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.open()
	j.bool("is_enabled", s.IsEnabled())
	j.int("backup_codes_remaining", int64(s.BackupCodesRemaining))
	j.optionalText("method", method(s), s.IsEnabled())
	j.bool("has_passkeys", s.HasPasskeys)
	j.bool("has_totp", s.HasTOTP)
	j.bool("passkeys_enabled_for_2fa", s.PasskeysEnabled)
	j.close()
	return answer{body: j.bytes()}, nil
}

// method is the preferred second factor.
func method(s auth.TwoFactorStatus) string {
	if s.HasTOTP {
		return "TOTP"
	}
	return "passkey"
}

func (a *API) createBackupCodes(c *call) (answer, error) {
	codes, err := a.auth.CreateBackupCodes(c.Context(), c.principal)
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.open()
	j.array("backup_codes")
	for _, code := range codes {
		j.text("", string(code))
	}
	j.endArray()
	j.close()
	return answer{body: j.bytes()}, nil
}

func (a *API) disableTOTP(c *call) (answer, error) {
	if err := a.auth.DisableTOTP(c.Context(), c.principal); err != nil {
		return answer{}, err
	}
	return success(), nil
}

// loginMethods are the names of auth.Session.Method for people.
var loginMethods = map[string]string{"password": "Password", "email": "Email link", "passkey": "Passkey"}

// listSessions answers contract section 10.10. Where a session is, nobody knows.
func (a *API) listSessions(c *call) (answer, error) {
	list, err := a.auth.Sessions(c.Context(), c.principal)
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.buf = append(j.buf, '[')
	for _, s := range list {
		j.object("")
		j.uuid("id", s.ID)
		j.time("created_at", s.CreatedAt, utcTime)
		j.time("last_activity", s.LastActivity, utcTime)
		j.null("location")
		j.optionalText("device", s.Device(), s.Device() != "")
		j.optionalText("login_method", loginMethods[s.Method], loginMethods[s.Method] != "")
		j.bool("is_current", s.ID == c.principal.Session.ID)
		j.close()
	}
	j.endArray()
	return answer{body: j.bytes()}, nil
}

func (a *API) revokeSession(c *call) (answer, error) {
	if err := a.auth.RevokeSession(c.Context(), c.principal, c.PathValue("session")); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func (a *API) revokeOtherSessions(c *call) (answer, error) {
	n, err := a.auth.RevokeOtherSessions(c.Context(), c.principal)
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.open()
	j.int("revoked_count", int64(n))
	j.close()
	return answer{body: j.bytes()}, nil
}
