// Ceremonies with passkeys: begin at the API, ask the browser, complete at the API.
import {Refusal, call, me, send} from "./api.js"

// supported reports a browser that has passkeys.
export const supported = typeof PublicKeyCredential !== "undefined" && "parseCreationOptionsFromJSON" in PublicKeyCredential

const reasons = {
  InvalidStateError: "This device has a passkey for the account already.",
  NotAllowedError: "No passkey was chosen.",
}

// asked turns what the browser refuses into a Refusal.
async function asked(ceremony) {
  try {
    return (await ceremony).toJSON()
  } catch (err) {
    throw new Refusal(0, {code: err.name, detail: reasons[err.name] ?? err.message})
  }
}

// register makes a passkey on this device. An empty name lets the API find one.
export async function register(name) {
  const {publicKey} = await call("POST", `${me}/passkeys/register/begin`)
  const options = PublicKeyCredential.parseCreationOptionsFromJSON(publicKey)
  const credential = await asked(navigator.credentials.create({publicKey: options}))
  try {
    return await call("POST", `${me}/passkeys/register/complete`, name ? {credential, name} : {credential})
  } catch (err) {
    await forget(publicKey.rp.id, credential.id)
    throw err
  }
}

// forget lets the device drop a passkey that was refused, for instance by its
// name. It would offer it at the next sign-in, in vain.
async function forget(rpId, credentialId) {
  if ("signalUnknownCredential" in PublicKeyCredential) await PublicKeyCredential.signalUnknownCredential({rpId, credentialId})
}

// use signs in, or takes the second step, depending on the path.
export async function use(path, body) {
  const {publicKey} = await send("POST", `${path}/begin`, body)
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey)
  const credential = await asked(navigator.credentials.get({publicKey: options}))
  return send("POST", `${path}/complete`, {credential})
}
