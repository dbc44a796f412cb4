// Calls of the API. Each returns what was answered, or throws a Refusal.

export const me = "/api/users/@me"

// Refusal says why something was not done. Programs act on code; attr names the
// member of the request at fault; the message is for people.
export class Refusal extends Error {
  constructor(status, {code = "", attr = null, detail = "The server gave no reason."} = {}) {
    super(detail)
    Object.assign(this, {status, code, attr})
  }
}

const hooks = {reauthenticate: async () => false, signedOut: () => {}}

// onReauthenticate sets what asks the owner to sign in again. It returns whether
// that was done.
export function onReauthenticate(f) { hooks.reauthenticate = f }

// onSignedOut sets what happens when there is no session any more.
export function onSignedOut(f) { hooks.signedOut = f }

// send does one request and looks at nothing but the answer.
export async function send(method, path, body) {
  const request = {method, redirect: "manual", headers: {Accept: "application/json"}}
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json"
    request.body = JSON.stringify(body)
  }
  let answer, text
  try {
    answer = await fetch(path, request)
    text = await answer.text()
  } catch {
    throw new Refusal(0, {code: "unreachable", detail: "The server cannot be reached. Nothing may have been changed."})
  }
  if (answer.ok || answer.type === "opaqueredirect") return text ? JSON.parse(text) : null
  throw refusal(answer, text)
}

function refusal(answer, text) {
  const err = new Refusal(answer.status, parse(text))
  const seconds = answer.headers.get("Retry-After")
  if (seconds) err.message += ` It is possible again in ${seconds} seconds.`
  return err
}

// parse reads an error of the API. What a proxy says instead is no JSON.
function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

// again are refusals that end when the owner signs in again: the session is too
// old, or was begun without the second factor that an organization demands.
const again = ["sensitive_action_required_reauth", "two_factor_verification_required"]

// call does a request for a signed-in owner: where the API wants another session,
// the owner signs in again and the request is repeated once.
export async function call(method, path, body) {
  try {
    return await send(method, path, body)
  } catch (err) {
    if (again.includes(err.code) && await hooks.reauthenticate()) return send(method, path, body)
    if (err.code === "not_authenticated") {
      err.message = "Your session has ended. Please sign in again."
      hooks.signedOut(err)
    }
    throw err
  }
}
