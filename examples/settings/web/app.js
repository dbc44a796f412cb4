// The page: who is signed in, which panel is open, and the way to sign in again.
import {Refusal, call, me, onReauthenticate, onSignedOut, send} from "./api.js"
import {button, dialog, el, fail, say} from "./dom.js"
import {drawHedgehog} from "./hedgehog.js"
import {signIn} from "./signin.js"
import * as appearance from "./panels/appearance.js"
import * as autonomy from "./panels/autonomy.js"
import * as factor from "./panels/factor.js"
import * as github from "./panels/github.js"
import * as keys from "./panels/keys.js"
import * as notifications from "./panels/notifications.js"
import * as passkeys from "./panels/passkeys.js"
import * as profile from "./panels/profile.js"
import * as sessions from "./panels/sessions.js"

// panels by the fragment that opens them, in the order of the links.
const panels = {profile, appearance, notifications, sessions, keys, factor, passkeys, github, autonomy}

const main = document.getElementById("main")
const nav = document.getElementById("nav")
const who = document.getElementById("who")
let user = null

// page is what a panel gets of the page.
const page = {
  get user() { return user },
  // update takes over the user object that a change answered with.
  update(next) {
    user = next
    document.documentElement.dataset.theme = user.theme_mode || "system"
    const name = [user.first_name, user.last_name].filter(Boolean).join(" ") || user.email
    who.replaceChildren(el("span", {}, user.hedgehog_config?.use_as_profile ? drawHedgehog(user.hedgehog_config) : null, name), button("Sign out", signOut))
  },
  reload: () => open(),
}

// open shows the panel that the address names, and returns its section.
async function open() {
  if (!user) return null
  const wanted = location.hash.slice(1)
  const name = Object.hasOwn(panels, wanted) ? wanted : "profile"
  for (const link of nav.querySelectorAll("a")) link.ariaCurrent = link.hash === `#${name}` ? "page" : null
  const heading = el("h1", {tabindex: "-1"}, panels[name].title)
  const section = el("section", {"aria-busy": "true", class: name}, heading)
  document.title = `${panels[name].title} – Settings`
  main.replaceChildren(section)
  heading.focus()
  try {
    await panels[name].show(section, page)
  } catch (err) {
    if (err.code === "two_factor_setup_required") section.append(el("a", {href: "#factor"}, "Set up a second factor"))
    if (section.isConnected) fail(err) // or else nobody waits for it any more
  } finally {
    section.ariaBusy = "false"
  }
  return section
}

function showSignIn() {
  user = null
  who.replaceChildren()
  nav.hidden = true
  document.title = "Sign in – Settings"
  const heading = el("h1", {tabindex: "-1"}, "Sign in")
  main.replaceChildren(el("section", {class: "narrow"}, heading, signIn(start)))
  main.querySelector("input").focus()
}

async function signOut() {
  await send("POST", "/api/logout")
  showSignIn()
  say("You have signed out.")
}

// start shows the settings of whoever has a session, or the way to get one.
async function start() {
  try {
    page.update(await send("GET", me))
  } catch (err) {
    showSignIn()
    if (err.code !== "not_authenticated") fail(err)
    return
  }
  say("")
  nav.hidden = false
  const link = github.returned(new URLSearchParams(location.search))
  if (link !== null) history.replaceState(null, "", `${location.pathname}#github`) // a reload does not say it again
  await open()
  if (link) fail(new Refusal(0, {detail: link}))
  else if (link === "") say("GitHub is linked.")
}

onSignedOut(err => {
  if (!user) return // who has signed out needs no news of a request that was under way
  showSignIn()
  fail(err)
})

onReauthenticate(async () => {
  let again = false
  const forms = signIn(() => {
    again = true
    forms.closest("dialog").close()
  }, user.email)
  const content = el("div", {}, el("p", {}, "To go on, show that it is still you."), forms,
    button("Cancel", () => content.closest("dialog").close()))
  await dialog("Sign in again", content)
  if (again) page.update(await call("GET", me))
  return again
})

nav.append(el("ul", {}, Object.entries(panels).map(([name, panel]) => el("li", {}, el("a", {href: `#${name}`}, panel.title)))))
addEventListener("hashchange", () => {
  if (location.hash === "#main") return
  say("")
  open()
})
await start()
