package auth

import "github.com/hedgerow-dev/hedgerow/users"

// The refusals that callers of this package may want to recognize with
// errors.Is.
var (
	ErrNotAuthenticated     = &users.Error{Kind: users.Unauthenticated, Code: "not_authenticated", Message: "Authentication credentials were not provided."}
	ErrAuthenticationFailed = &users.Error{Kind: users.Unauthenticated, Code: "authentication_failed", Message: "The credential is not valid."}
	ErrReauthenticate       = &users.Error{Kind: users.Denied, Code: "sensitive_action_required_reauth", Message: "Sign in again to do this."}
	ErrSetup2FA             = &users.Error{Kind: users.Denied, Code: "two_factor_setup_required", Message: "Your organization requires a second factor."}
	ErrVerify2FA            = &users.Error{Kind: users.Denied, Code: "two_factor_verification_required", Message: "Your organization requires you to verify your second factor."}
	ErrInvalidCredentials   = &users.Error{Kind: users.Invalid, Code: "invalid_credentials", Message: "Invalid email or password."}
	ErrSSOEnforced          = &users.Error{Kind: users.Invalid, Code: "sso_enforced", Message: "This address must sign in through single sign-on."}
	ErrNotVerified          = &users.Error{Kind: users.Invalid, Code: "not_verified", Message: "Verify your email address first."}
	ErrLockedOut            = &users.Error{Kind: users.Denied, Code: "too_many_failed_attempts", Message: "Too many failed attempts. Try again later."}
	ErrThrottled            = &users.Error{Kind: users.Throttled, Code: "throttled", Message: "Too many requests. Try again later."}
	ErrCurrentPassword      = &users.Error{Kind: users.Invalid, Code: "required", Field: "current_password", Message: "The current password is required."}
	ErrIncorrectPassword    = &users.Error{Kind: users.Invalid, Code: "incorrect_password", Field: "current_password", Message: "The current password is not right."}
	Err2FARequired          = &users.Error{Kind: users.Unfinished, Code: "2fa_required", Message: "A second factor is required."}
	Err2FASession           = &users.Error{Kind: users.Invalid, Code: "invalid_2fa_session", Message: "No login is waiting for a second factor."}
	Err2FAExpired           = &users.Error{Kind: users.Invalid, Code: "2fa_expired", Message: "This took too long. Sign in again."}
	Err2FAMissing           = &users.Error{Kind: users.Invalid, Code: "2fa_missing_credentials", Message: "Send a code."}
	Err2FAInvalid           = &users.Error{Kind: users.Invalid, Code: "2fa_invalid", Message: "The code is not valid."}
	Err2FATooManyAttempts   = &users.Error{Kind: users.Invalid, Code: "2fa_too_many_attempts", Message: "Too many wrong codes. Wait before you try again."}
	Err2FANotEnabled        = &users.Error{Kind: users.Invalid, Code: "2fa_not_enabled", Message: "Set up an authenticator first."}
	ErrSetupExpired         = &users.Error{Kind: users.Invalid, Code: "setup_expired", Message: "Start the set-up again."}
	ErrTokenInvalid         = &users.Error{Kind: users.Invalid, Code: "token_invalid", Message: "The code is not valid."}
	ErrPasskey              = &users.Error{Kind: users.Invalid, Code: "invalid_passkey", Message: "The passkey is not accepted."}
	ErrPasskeyChallenge     = &users.Error{Kind: users.Invalid, Code: "challenge_expired", Message: "This took too long, or was used before. Start again."}
	ErrNoPasskeys           = &users.Error{Kind: users.Invalid, Code: "no_passkeys", Message: "No passkey counts as second factor of this account."}
	ErrTooManyPasskeys      = &users.Error{Kind: users.Invalid, Code: "invalid_input", Message: "You have the most passkeys that one user may have."}
	ErrEmailNotAvailable    = &users.Error{Kind: users.Invalid, Code: "email_not_available", Message: "This service sends no mail."}
	ErrAlreadyVerified      = &users.Error{Kind: users.Invalid, Code: "already_verified", Message: "This email address is verified already."}
	ErrNoEmailChange        = &users.Error{Kind: users.Invalid, Code: "email_change_request_not_found", Message: "No change of the email address is pending."}
	ErrInvalidToken         = &users.Error{Kind: users.Invalid, Code: "invalid_token", Field: "token", Message: "This link is not valid, or not any more."}
	ErrTooManyKeys          = &users.Error{Kind: users.Invalid, Code: "invalid_input", Message: "You have the most API keys that one user may have."}
)

func invalid(field, code, message string) *users.Error {
	return &users.Error{Kind: users.Invalid, Code: code, Field: field, Message: message}
}
