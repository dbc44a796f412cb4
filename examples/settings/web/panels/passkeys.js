// Passkeys: register, rename, remove.
import {call, me} from "../api.js"
import {button, confirmed, el, field, form, say, submitButton, time} from "../dom.js"
import {register, supported} from "../webauthn.js"

export const title = "Passkeys"

export async function show(root, page) {
  const passkeys = await call("GET", `${me}/passkeys`)
  root.append(el("p", {}, "A passkey signs you in without a password, by the lock of your device."),
    el("ul", {class: "list"}, passkeys.map(passkey => item(passkey, page))),
    supported ? registration(page) : el("p", {}, "This browser has no passkeys."))
}

function registration(page) {
  return form(async f => {
    await register(f.name.value.trim())
    await page.reload()
    say("The passkey is registered.")
  },
  el("h2", {}, "New passkey"),
  field("name", "Name of the new passkey", el("input", {autocomplete: "off"}), {hint: "May be empty."}),
  submitButton("Register a passkey"))
}

function item(passkey, page) {
  const path = `${me}/passkeys/${passkey.id}`
  return el("li", {}, el("h2", {}, passkey.name),
    el("p", {class: "hint"}, "Made ", time(passkey.created_at), ", last used ", time(passkey.last_used_at),
      passkey.verified ? null : ". It signs in like a password, and is no second factor."),
    form(async f => {
      await call("PATCH", path, {name: f.name.value})
      await page.reload()
      say("The passkey has a new name.")
    },
    field("name", `New name of ${passkey.name}`, el("input", {value: passkey.name, autocomplete: "off"})),
    el("div", {class: "row"}, el("button", {"aria-label": `Rename ${passkey.name}`}, "Rename"), button("Remove", async () => {
      if (!await confirmed(`Remove ${passkey.name}?`, "Remove the passkey")) return
      await call("DELETE", path)
      await page.reload()
      say("The passkey is removed.")
    }, {about: passkey.name, danger: true}))))
}
