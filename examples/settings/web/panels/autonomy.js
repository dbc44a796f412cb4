// From which urgency on work on a signal may begin in the owner's name.
import {call, me} from "../api.js"
import {el, field, form, say, select, submitButton} from "../dom.js"

export const title = "Signal autonomy"

const path = `${me}/signal_autonomy`

const off = "off"
const choices = [
  [off, "Never"], ["team", "As the team says"], ["P0", "P0, only the most urgent"], ["P1", "P1 and above"], ["P2", "P2 and above"],
  ["P3", "P3 and above"], ["P4", "P4, everything"],
]

export async function show(root) {
  const config = await current()
  const now = config === null ? off : config.autostart_priority ?? "team"
  root.append(el("p", {}, "When a report is urgent enough, work on it may begin in your name."), form(async f => {
    const chosen = f.autostart_priority.value
    if (chosen === off) await call("DELETE", path)
    else await call("POST", path, {autostart_priority: chosen === "team" ? null : chosen})
    say(chosen === off ? "Nothing begins in your name." : "Your choice is saved.")
  },
  field("autostart_priority", "Begin work", select(choices, now)),
  submitButton("Save")))
}

// current is the configuration, or null if there is none, which the API answers
// by 404 and not a word.
async function current() {
  try {
    return await call("GET", path)
  } catch (err) {
    if (err.status === 404) return null
    throw err
  }
}
