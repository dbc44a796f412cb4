// Signing in: password, then the second step if the account has one; or a passkey.
import {send} from "./api.js"
import {button, el, field, form, submitButton} from "./dom.js"
import {supported, use} from "./webauthn.js"

// signIn returns forms that call done when there is a session. With an email, the
// owner of that account signs in again.
export function signIn(done, email) {
  const root = el("div", {class: "signin"})
  const firstStep = () => root.replaceChildren(passwordForm(root, done, email, firstStep), passkey("/api/login/passkey", done, email))
  firstStep()
  return root
}

function passwordForm(root, done, email, firstStep) {
  return form(async f => {
    try {
      await send("POST", "/api/login", {email: f.email.value, password: f.password.value})
    } catch (err) {
      if (err.code !== "2fa_required") throw err
      root.replaceChildren(codeForm(done, firstStep), passkey("/api/login/2fa/passkey", done))
      root.querySelector("input").focus()
      return
    }
    await done()
  },
  field("email", "Email", el("input", {type: "email", autocomplete: "username", value: email, readonly: email !== undefined})),
  field("password", "Password", el("input", {type: "password", autocomplete: "current-password"})),
  submitButton("Sign in"))
}

// over are refusals after which the password has to be given again.
const over = ["invalid_2fa_session", "2fa_expired"]

function codeForm(done, firstStep) {
  return form(async f => {
    try {
      await send("POST", "/api/login/token", {token: f.token.value})
    } catch (err) {
      if (!over.includes(err.code)) err.attr = "token" // the only member there is
      throw err
    }
    await done()
  },
  field("token", "Code", el("input", {autocomplete: "one-time-code", autocapitalize: "none", spellcheck: "false"}),
    {hint: "The six digits of your authenticator, or one of your backup codes."}),
  el("div", {class: "row"}, submitButton("Continue"), button("Start again", firstStep)))
}

function passkey(path, done, email) {
  if (!supported) return el("p", {class: "hint"}, "This browser has no passkeys.")
  return form(async () => {
    await use(path, email === undefined ? undefined : {email})
    await done()
  }, el("button", {}, "Use a passkey"))
}
