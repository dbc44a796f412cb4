// Name, address and password.
import {call, me} from "../api.js"
import {button, el, field, form, say, select, submitButton} from "../dom.js"

export const title = "Profile"

const roles = ["engineering", "data", "product", "founder", "leadership", "marketing", "sales", "other"]

export async function show(root, page) {
  root.append(
    el("h2", {}, "About you"), nameForm(page),
    el("h2", {}, "Email"), ...pending(page), emailForm(page),
    el("h2", {}, "Password"), passwordForm(page))
}

function nameForm(page) {
  const {first_name, last_name, role_at_organization} = page.user
  // A role that was given once cannot be taken back.
  const choices = roles.map(role => [role, role[0].toUpperCase() + role.slice(1)])
  if (!role_at_organization) choices.unshift(["", "Not said"])
  return form(async f => {
    const change = {first_name: f.first_name.value, last_name: f.last_name.value}
    if (f.role_at_organization.value) change.role_at_organization = f.role_at_organization.value
    page.update(await call("PATCH", me, change))
    say("Your profile is saved.")
  },
  field("first_name", "First name", el("input", {value: first_name, autocomplete: "given-name"})),
  field("last_name", "Last name", el("input", {value: last_name, autocomplete: "family-name"})),
  field("role_at_organization", "Role", select(choices, role_at_organization ?? "")),
  submitButton("Save profile"))
}

// pending is an address that was not verified yet, if there is one.
function pending(page) {
  if (!page.user.pending_email) return []
  return [el("div", {class: "card row"},
    el("p", {}, `${page.user.pending_email} waits for the link that was mailed to it.`),
    button("Cancel the change", async () => {
      page.update(await call("PATCH", "/api/users/cancel_email_change_request"))
      await page.reload()
      say("The address stays as it is.")
    }))]
}

function emailForm(page) {
  return form(async f => {
    page.update(await call("PATCH", me, {email: f.email.value}))
    const {email, pending_email} = page.user
    await page.reload()
    say(pending_email ? `A link was mailed to ${pending_email}.` : `Your address is ${email}.`)
  },
  field("email", "Address", el("input", {type: "email", value: page.user.email, autocomplete: "email"})),
  submitButton("Change address"))
}

function passwordForm(page) {
  const hasOne = page.user.has_password
  const current = hasOne ? field("current_password", "Current password", el("input", {type: "password", autocomplete: "current-password"})) : ""
  return form(async f => {
    const change = {password: f.password.value}
    if (hasOne) change.current_password = f.current_password.value
    page.update(await call("PATCH", me, change))
    f.reset()
    say("Your password is changed, and all other sessions have ended.")
  },
  current,
  field("password", "New password", el("input", {type: "password", autocomplete: "new-password"}), {hint: "At least 8 characters that are hard to guess."}),
  submitButton("Change password"))
}
