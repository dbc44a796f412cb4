// Installations of the GitHub App that are linked, and their repositories.
import {Refusal, call, me} from "../api.js"
import {button, confirmed, el, field, form, say, submitButton, time} from "../dom.js"

export const title = "GitHub"

const github = `${me}/integrations/github`

const failures = {
  access_denied: "You said no at GitHub.",
  invalid_state: "The link was begun somewhere else, or too long ago. Begin it again here.",
  installation_not_authorized: "Your GitHub user cannot see this installation.",
}

// returned says how a link ended, if the browser comes from one: "" for well, a
// sentence for what went wrong, and null if it does not.
export function returned(query) {
  const code = query.get("github_link_error")
  if (code !== null) return failures[code] ?? `GitHub was not linked (${code}).`
  return query.has("github_link_success") ? "" : null
}

export async function show(root, page) {
  const [{results}, requests] = await Promise.all([call("GET", `${me}/integrations`), call("GET", `${github}/install_requests`)])
  root.append(el("p", {}, "Accounts on GitHub whose repositories can be reached from here."),
    el("ul", {class: "list"}, results.map(installation => item(installation, page))),
    el("ul", {class: "list"}, requests.results.filter(request => request.status === "pending").map(request => waiting(request, page))),
    button("Link GitHub", link))
}

async function link() {
  const {install_url} = await call("POST", `${github}/start`)
  if (!/^https?:$/.test(new URL(install_url).protocol)) throw new Refusal(0, {detail: "GitHub has no usable address."})
  location.assign(install_url)
}

function item(installation, page) {
  const id = installation.installation_id
  const name = installation.account?.name ?? `Installation ${id}`
  const place = el("div", {})
  return el("li", {}, el("h2", {}, name, " ", installation.installation_status === "connected" ? null : el("span", {class: "badge"}, "unavailable")),
    el("p", {class: "hint"}, installation.github_login ? `Linked by ${installation.github_login}, ` : "Linked ", time(installation.created_at),
      installation.installation_shared ? ". Others use it too." : null),
    el("div", {class: "row"},
      button("Repositories", async () => {
        const repositories = new Repositories(id, name)
        place.replaceChildren(repositories.root)
        await repositories.load(0)
      }, {about: `of ${name}`}),
      button("Unlink", async () => {
        if (!await confirmed(`Unlink ${name}? The App stays installed there.`, "Unlink it")) return
        await call("DELETE", `${github}/${id}`)
        await page.reload()
        say(`${name} is unlinked.`)
      }, {about: name, danger: true})),
    place)
}

function waiting(request, page) {
  const who = request.account_login ?? request.github_login
  return el("li", {}, el("p", {}, `${who} waits for somebody to install the App, since `, time(request.requested_at)),
    button("Forget", async () => {
      await call("DELETE", `${github}/install_requests/${request.id}`)
      await page.reload()
      say("The request is forgotten.")
    }, {about: `the request of ${who}`}))
}

const pageSize = 50

// Repositories are those of one installation that a search finds, a page at a
// time.
class Repositories {
  #path
  #search = ""
  #list = el("ul", {})
  #more = button("Show more", () => this.load(this.#list.children.length))
  #found = el("p", {role: "status"})

  constructor(id, name) {
    this.#path = `${github}/${id}/repos`
    const search = form(async f => {
      this.#search = f.search.value
      await this.load(0)
    },
    field("search", `Search the repositories of ${name}`, el("input", {type: "search"})),
    el("div", {class: "row"}, submitButton("Search"), button("Ask GitHub again", () => this.#refresh())))
    this.#more.hidden = true
    this.root = el("div", {}, search, this.#found, this.#list, this.#more)
  }

  async #refresh() {
    await call("POST", `${this.#path}/refresh`)
    await this.load(0)
  }

  // load shows what the search finds from an offset on, below what is shown before
  // it.
  async load(offset) {
    const query = new URLSearchParams({search: this.#search, offset, limit: pageSize})
    const {repositories, has_more} = await call("GET", `${this.#path}?${query}`)
    const items = repositories.map(repository => el("li", {}, repository.full_name, repository.private ? [" ", el("span", {class: "badge"}, "private")] : null))
    if (offset === 0) this.#list.replaceChildren()
    this.#list.append(...items)
    this.#more.hidden = !has_more
    const shown = this.#list.children.length
    this.#found.textContent = `${shown} ${shown === 1 ? "repository" : "repositories"}${has_more ? ", and more" : ""}`
  }
}
