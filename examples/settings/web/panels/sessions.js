// Where the owner is signed in.
import {call, me} from "../api.js"
import {button, el, say, time} from "../dom.js"

export const title = "Sessions"

export async function show(root, page) {
  const sessions = await call("GET", `${me}/login_sessions`)
  root.append(el("p", {}, "Where you are signed in. End what you do not know, and change your password."),
    el("ul", {class: "list"}, sessions.map(session => item(session, page))))
  if (sessions.length > 1) root.append(button("End all other sessions", () => endOthers(page), {danger: true}))
}

function item(session, page) {
  const device = session.device ?? "Unknown device"
  const facts = el("p", {class: "hint"}, session.login_method ? `${session.login_method}. ` : null,
    "Signed in ", time(session.created_at), ", last seen ", time(session.last_activity))
  if (session.is_current) return el("li", {}, el("h2", {}, device), facts, el("span", {class: "badge"}, "This session"))
  const about = new Date(session.created_at).toLocaleString()
  return el("li", {}, el("h2", {}, device), facts, button("End", async () => {
    await call("DELETE", `${me}/login_sessions/${session.id}`)
    await page.reload()
    say("The session has ended.")
  }, {about: `${device}, ${about}`, danger: true}))
}

async function endOthers(page) {
  const {revoked_count} = await call("POST", `${me}/login_sessions/revoke_others`)
  await page.reload()
  say(revoked_count === 1 ? "One session has ended." : `${revoked_count} sessions have ended.`)
}
