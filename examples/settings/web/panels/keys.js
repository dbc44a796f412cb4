// Personal API keys.
import {Refusal, call} from "../api.js"
import {button, check, confirmed, el, field, form, group, say, select, submitButton, time} from "../dom.js"

export const title = "API keys"

const keys = "/api/personal_api_keys"

export async function show(root, page) {
  const list = await call("GET", keys)
  root.append(el("div", {}), creation(page), el("h2", {}, "Your keys"))
  if (list.length === 0) root.append(el("p", {}, "There are none."))
  root.append(el("ul", {class: "list"}, list.map(key => item(key, page))))
}

function creation(page) {
  const ready = ["user:read", "user:write"].map(scope => check(scope, {value: scope}))
  return form(async f => {
    const scopes = [...f.scopes.querySelectorAll(":checked")].map(input => input.value)
    scopes.push(...f.other.value.split(/[\s,]+/).filter(Boolean))
    const days = Number(f.expires_at.value)
    const expires_at = days ? new Date(Date.now() + days * 24 * 60 * 60 * 1000).toISOString() : null
    const key = await call("POST", keys, {label: f.label.value, scopes, expires_at, scoped_teams: [], scoped_organizations: []})
    await showSecret(key, page)
    say("The key is made.")
  },
  el("h2", {}, "New key"),
  field("label", "Label", el("input", {autocomplete: "off"}), {hint: "What it is for."}),
  group("scopes", "What it may do", ready, field("other", "Other scopes", el("input", {autocomplete: "off", autocapitalize: "none", spellcheck: "false"}),
    {hint: "Such as feature_flag:read, with spaces between; * is everything."})),
  field("expires_at", "Expires", select([["", "Never"], ["30", "In 30 days"], ["90", "In 90 days"], ["365", "In a year"]], "")),
  submitButton("Create key"))
}

// showSecret shows the value of a key, which the API does not tell again, until
// the owner has it. The list below it is a new one.
async function showSecret(key, page) {
  const root = (await page.reload()).querySelector("div")
  const heading = el("h2", {tabindex: "-1"}, `Copy ${key.label} now`)
  root.replaceChildren(el("div", {class: "card"}, heading,
    el("p", {}, "This is the only time that it is shown."),
    el("code", {class: "secret"}, key.value),
    el("div", {class: "row"},
      button("Copy", () => copy(key.value), {about: "the key"}),
      button("I have it", () => root.replaceChildren()))))
  heading.focus()
}

async function copy(value) {
  try {
    await navigator.clipboard.writeText(value)
  } catch {
    throw new Refusal(0, {detail: "The browser does not let this page copy. Select the key and copy it yourself."})
  }
  say("The key is copied.")
}

function item(key, page) {
  const about = key.label
  return el("li", {}, el("h3", {}, key.label),
    el("p", {}, el("code", {}, key.mask_value), " ", key.scopes.join(", ")),
    el("p", {class: "hint"}, "Made ", time(key.created_at), ", last used ", time(key.last_used_at), key.expires_at ? [", expires ", time(key.expires_at)] : null),
    el("div", {class: "row"},
      button("Roll", async () => {
        if (!await confirmed(`Replace the value of ${key.label}? The old one ends at once.`, "Roll the key")) return
        await showSecret(await call("POST", `${keys}/${key.id}/roll`), page)
        say("The key has a new value.")
      }, {about}),
      button("Delete", async () => {
        if (!await confirmed(`Delete ${key.label}? What uses it stops.`, "Delete the key")) return
        await call("DELETE", `${keys}/${key.id}`)
        await page.reload()
        say("The key is deleted.")
      }, {about, danger: true})))
}
