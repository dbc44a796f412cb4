// Calls several operations with types made of the OpenAPI document, and prints
// what it gets. The arguments are the server, an API key, an address and a password.
import createClient from "openapi-fetch"
import type { components, paths } from "./api.js"

type Failure = components["schemas"]["Error"]

const [baseUrl, key, email, password] = process.argv.slice(2)
const api = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } })
const me = { path: { user: "@me" } }

// expect returns what an operation has answered.
function expect<T>(answer: { data?: T; error?: Failure }): T {
  if (answer.data === undefined) throw new Error(answer.error?.code)
  return answer.data
}

const user = expect(await api.GET("/api/users/{user}", { params: me }))
console.log(user.email, user.organization?.name)

const changed = expect(await api.PATCH("/api/users/{user}", { params: me, body: { theme_mode: "dark", notification_settings: { plugin_disabled: false } } }))
console.log(changed.theme_mode, changed.notification_settings.plugin_disabled)

const wrong = await api.PATCH("/api/users/{user}", { params: me, body: { email: "nonsense", current_password: password } })
console.log(wrong.response.status, wrong.error?.code, wrong.error?.attr)

const page = expect(await api.GET("/api/users", { params: { query: { limit: 1 } } }))
console.log(page.count, page.results.map(u => u.id))

const autonomy = expect(await api.POST("/api/users/{user}/signal_autonomy", { params: me, body: { autostart_priority: "P1" } }))
console.log(autonomy.autostart_priority)
await api.DELETE("/api/users/{user}/signal_autonomy", { params: me })
console.log((await api.GET("/api/users/{user}/signal_autonomy", { params: me })).response.status)

// A session: browsers keep its cookie, and node does not.
const login = await api.POST("/api/login", { body: { email, password }, headers: { Authorization: null } })
expect(login)
const session = createClient<paths>({ baseUrl, headers: { Cookie: login.response.headers.getSetCookie()[0].split(";")[0] } })
const made = expect(await session.POST("/api/personal_api_keys", { body: { label: "Sample", scopes: ["user:read"], scoped_teams: null, scoped_organizations: [] } }))
console.log(made.label, made.value.startsWith("phx_"))
expect(await session.GET("/api/users/{user}/two_factor_status", { params: me }))

// What the document does not say does not compile.
// @ts-expect-error
void (() => api.PATCH("/api/users/{user}", { params: me, body: { theme_mode: "pink" } }))
// @ts-expect-error
void (() => api.GET("/api/nothing"))
// @ts-expect-error
void (() => user.emial)
