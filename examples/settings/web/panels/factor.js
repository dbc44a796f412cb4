// The second factor: an authenticator, its backup codes, and passkeys as one.
import {call, me} from "../api.js"
import {button, check, confirmed, el, field, form, group, say, submitButton} from "../dom.js"

export const title = "Second factor"

export async function show(root, page) {
  const status = await call("GET", `${me}/two_factor_status`)
  root.append(el("h2", {}, "Authenticator"))
  root.append(status.has_totp ? authenticator(root, page, status) : setUp(root, page))
  root.append(el("h2", {}, "Passkeys"), passkeys(page))
}

function setUp(root, page) {
  const box = el("div", {},
    el("p", {}, "An app on your phone that shows six digits, which you are asked for after your password."),
    button("Set up an authenticator", async () => box.replaceChildren(await confirmation(root, page))))
  return box
}

async function confirmation(root, page) {
  const {secret, qr_code} = await call("GET", `${me}/two_factor_start_setup`)
  return form(async f => {
    try {
      await call("POST", `${me}/two_factor_validate`, {token: f.token.value})
    } catch (err) {
      if (err.code === "token_invalid") err.attr = "token" // the only member there is
      throw err
    }
    await newCodes(root, page)
    say("The authenticator is on. Keep the backup codes.")
  },
  el("p", {}, "Scan this with the app, or type the secret in."),
  el("img", {class: "qr", src: qr_code, alt: "QR code of the secret below"}),
  el("code", {class: "secret"}, secret),
  field("token", "Code", el("input", {autocomplete: "one-time-code", inputmode: "numeric"}), {hint: "The six digits that the app shows."}),
  submitButton("Turn on"))
}

function authenticator(root, page, status) {
  return el("div", {},
    el("p", {}, "It is on. ", el("span", {class: "badge"}, `${status.backup_codes_remaining} backup codes left`)),
    el("div", {class: "row"},
      button("New backup codes", async () => {
        if (!await confirmed("Make new backup codes? Those that you have end.", "Make new codes")) return
        await newCodes(root, page)
      }),
      button("Turn off", async () => {
        if (!await confirmed("Turn the authenticator off? Your password alone will do.", "Turn it off")) return
        await call("POST", `${me}/two_factor_disable`)
        await page.reload()
        say("The authenticator is off.")
      }, {danger: true})))
}

// newCodes shows backup codes, which the API does not tell again, until the owner
// has them.
async function newCodes(root, page) {
  const {backup_codes} = await call("POST", `${me}/two_factor_backup_codes`)
  const heading = el("h1", {tabindex: "-1"}, "Your backup codes")
  root.replaceChildren(el("div", {class: "card print"}, heading,
    el("p", {}, `Each signs ${page.user.email} in once, when the authenticator is not at hand. This is the only time that they are shown.`),
    el("ul", {class: "codes"}, backup_codes.map(code => el("li", {class: "code"}, code))),
    el("div", {class: "row"}, button("Print", () => print()), button("I have them", page.reload))))
  heading.focus()
}

function passkeys(page) {
  return form(async f => {
    page.update(await call("PATCH", me, {passkeys_enabled_for_2fa: f.enabled.checked}))
    say(f.enabled.checked ? "Passkeys are a second factor." : "Passkeys are no second factor.")
  },
  group("passkeys_enabled_for_2fa", "As second factor",
    check("Ask for a passkey after the password", {name: "enabled", checked: Boolean(page.user.passkeys_enabled_for_2fa)})),
  submitButton("Save"))
}
