// What is mailed and shown to the owner. Only what was changed is sent.
import {call, me} from "../api.js"
import {check, el, field, form, group, say, submitButton} from "../dom.js"

export const title = "Notifications"

const general = {
  plugin_disabled: "A plugin was switched off",
  error_tracking_issue_assigned: "An issue was assigned to me",
  error_tracking_weekly_digest: "Errors of the week",
  web_analytics_weekly_digest: "Web analytics of the week",
  discussions_mentioned: "I was mentioned in a discussion",
  project_api_key_exposed: "A key of a project was found in public",
  materialized_view_sync_failed: "A materialized view could not be renewed",
}

// perTeam are maps by the id of a team, with what a missing one means. Those that
// end in _disabled mean the opposite of their checkbox.
const perTeam = {
  project_weekly_digest_disabled: "Digest of the week",
  error_tracking_weekly_digest_project_enabled: "Errors of the week",
  web_analytics_weekly_digest_project_enabled: "Web analytics of the week",
}

// words makes a label of the name of a type, of which there will be more.
const words = name => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ")

const negative = name => name.endsWith("_disabled") && name !== "plugin_disabled"

export async function show(root, page) {
  const teams = page.user.organization?.teams ?? []
  const switches = new Switches(page.user.notification_settings)
  const threshold = el("input", {inputmode: "decimal", value: page.user.notification_settings.data_pipeline_error_threshold})
  root.append(form(async () => {
    const change = switches.changes()
    const number = threshold.value.trim() === "" ? NaN : Number(threshold.value)
    // What is no number is sent as it is, for the API to say so.
    change.data_pipeline_error_threshold = Number.isNaN(number) ? threshold.value : number
    page.update(await call("PATCH", me, {notification_settings: change}))
    switches.kept(page.user.notification_settings)
    say("Your notifications are saved.")
  },
  group("notification_settings", "Mail",
    Object.entries(general).map(([name, label]) => switches.box(label, [name])),
    switches.box("Digest of the week, of all projects", ["all_weekly_digest_disabled"]),
    field("data_pipeline_error_threshold", "Share of failures in a pipeline", threshold, {hint: "From 0 to 1. Mail comes when more fail."})),
  teams.map(team => group(`team-${team.id}`, `Project ${team.name}`,
    el("div", {class: "columns"}, Object.entries(perTeam).map(([name, label]) => switches.box(label, [name, team.id]))),
    el("p", {class: "hint"}, "At once, in the application:"),
    el("div", {class: "columns"}, page.user.active_realtime_notification_types.map(type =>
      switches.box(words(type), ["realtime_notifications_disabled", type, team.id]))))),
  group("organizations", "Somebody joined", page.user.organizations.map(organization =>
    switches.box(organization.name, ["organization_member_join_email_disabled", organization.id]))),
  submitButton("Save notifications")))
}

// Switches are checkboxes for settings at a path: a name, and the keys of maps
// below it.
class Switches {
  #settings
  #boxes = []

  constructor(settings) { this.#settings = settings }

  box(label, path) {
    const node = check(label, {checked: this.#on(path)})
    this.#boxes.push({path, input: node.firstElementChild})
    return node
  }

  #on(path) {
    const value = path.reduce((at, key) => at?.[key], this.#settings)
    return negative(path[0]) ? value !== true : value !== false
  }

  // changes are the settings whose checkbox was changed, in the form of the API.
  changes() {
    const change = {}
    for (const {path, input} of this.#boxes) {
      if (input.checked === this.#on(path)) continue
      const last = path.at(-1)
      const at = path.slice(0, -1).reduce((at, key) => at[key] ??= {}, change)
      at[last] = negative(path[0]) ? !input.checked : input.checked
    }
    return change
  }

  // kept takes over what the API has now.
  kept(settings) { this.#settings = settings }
}
