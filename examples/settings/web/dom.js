// Elements, forms and messages. Text becomes text nodes and never markup.

// el makes an element. Attributes that are undefined, null or false are left out,
// those that begin with "on" are listeners, and children are nodes or text.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value === true ? "" : value)
  }
  node.append(...children.flat().filter(child => child !== null && child !== undefined))
  return node
}

// time shows when something was; the fallback is for null.
export function time(value, fallback = "never") {
  if (!value) return fallback
  return el("time", {datetime: value}, new Date(value).toLocaleString(undefined, {dateStyle: "medium", timeStyle: "short"}))
}

const status = document.getElementById("status")
const alert = document.getElementById("alert")

// say tells the owner, by eye and by ear, what was done; fail, what was not. An
// error that is no Refusal is a fault of the page and belongs to the console.
export function say(text) {
  alert.textContent = ""
  status.textContent = text
}

export function fail(err) {
  status.textContent = ""
  alert.textContent = err.message
  if (err.status === undefined) throw err
}

let serial = 0

// field is a labelled control with room for a hint and an error. The control gets
// its name, by which errors of the API find it.
export function field(name, label, control, {hint} = {}) {
  const id = `field-${++serial}`
  control.id = id
  control.setAttribute("name", name)
  control.setAttribute("aria-describedby", hint ? `${id}-hint ${id}-error` : `${id}-error`)
  return el("div", {class: "field"},
    el("label", {for: id}, label),
    hint && el("p", {class: "hint", id: `${id}-hint`}, hint),
    control,
    el("p", {class: "error", id: `${id}-error`, "data-error-of": name}))
}

// group is a fieldset that errors of the API find by its name.
export function group(name, legend, ...children) {
  const id = `field-${++serial}`
  return el("fieldset", {name, "aria-describedby": `${id}-error`}, el("legend", {}, legend),
    el("p", {class: "error", id: `${id}-error`, "data-error-of": name}), ...children)
}

// check is a checkbox with its label.
export function check(label, {checked, ...attributes} = {}) {
  const id = `field-${++serial}`
  const input = el("input", {type: "checkbox", id, checked, ...attributes})
  return el("div", {class: "check"}, input, el("label", {for: id}, label))
}

// select is a choice of [value, label] pairs.
export function select(options, chosen) {
  return el("select", {}, options.map(([value, label]) => el("option", {value, selected: value === chosen}, label)))
}

// form calls submit with the form element, once at a time, and shows what is
// refused at the control that is at fault, or else at the end of the form. The
// browser's own checks are off, as the API has the better ones.
export function form(submit, ...children) {
  const general = el("p", {class: "error", role: "alert"})
  const node = el("form", {novalidate: true}, ...children, general)
  node.addEventListener("submit", async event => {
    event.preventDefault()
    if (node.ariaBusy === "true") return
    node.ariaBusy = "true"
    clearErrors(node, general)
    try {
      await submit(node)
    } catch (err) {
      showError(node, general, err)
    } finally {
      node.ariaBusy = "false"
    }
  })
  return node
}

function clearErrors(node, general) {
  say("")
  general.textContent = ""
  for (const message of node.querySelectorAll("[data-error-of]")) message.textContent = ""
  for (const control of node.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid")
}

function showError(node, general, err) {
  const name = err.attr?.split("__")[0]
  const control = name && node.elements.namedItem(name)
  if (!control) {
    general.textContent = err.message
    if (err.status === undefined) throw err
    return
  }
  node.querySelector(`[data-error-of="${CSS.escape(name)}"]`).textContent = err.message
  if (control.tagName === "FIELDSET") {
    control.querySelector("input, select").focus()
    return
  }
  control.ariaInvalid = "true"
  control.focus()
}

export function submitButton(label) { return el("button", {class: "primary"}, label) }

// button does something, once at a time. Where several have the same label, about
// says which one it is.
export function button(label, act, {about, danger} = {}) {
  const node = el("button", {type: "button", class: danger ? "danger" : null, "aria-label": about && `${label} ${about}`}, label)
  node.addEventListener("click", async () => {
    if (node.ariaBusy === "true") return
    node.ariaBusy = "true"
    try {
      await act()
    } catch (err) {
      fail(err)
    } finally {
      node.ariaBusy = "false"
    }
  })
  return node
}

// dialog shows content above the page and returns the value that it was closed
// with, "" if that was by Escape.
export function dialog(title, content) {
  const id = `field-${++serial}`
  const node = el("dialog", {"aria-labelledby": id}, el("h2", {id}, title), content)
  document.body.append(node)
  node.showModal()
  return new Promise(done => node.addEventListener("close", () => {
    node.remove()
    done(node.returnValue)
  }))
}

// confirmed asks before something that cannot be taken back.
export async function confirmed(question, label) {
  const buttons = el("form", {method: "dialog", class: "row"},
    el("button", {value: "yes", class: "danger"}, label), el("button", {value: ""}, "Cancel"))
  return await dialog(question, buttons) === "yes"
}
