// What the tests do in the page, as a person would: by the names that things have.
window.wrong = [];
for (const kind of ["error", "warn"]) console[kind] = (...what) => wrong.push(kind + ": " + what.join(" "));
addEventListener("error", e => wrong.push("error: " + (e.message || e.target.src || e.target.href)), true);
addEventListener("unhandledrejection", e => wrong.push("rejection: " + e.reason));
addEventListener("securitypolicyviolation", e => wrong.push("policy: " + e.violatedDirective + " " + e.blockedURI));

const drive = {
  // until waits, up to 30 seconds, until there is something.
  until(what, find) {
    const end = performance.now() + 30000;
    return new Promise((done, fail) => {
      const look = () => {
        const found = find();
        if (found) return done(found);
        if (performance.now() < end) return setTimeout(look, 10);
        fail(new Error(`${what}: not there. The page says:\n${document.body.innerText}\nwrong: ${wrong}`));
      };
      look();
    });
  },

  // scope is what can be reached: a dialog covers the rest.
  scope: () => document.querySelector("dialog[open]") ?? document,

  among(selector, text, of = node => node.ariaLabel || node.textContent.trim()) {
    return [...drive.scope().querySelectorAll(selector)].find(node => node.checkVisibility() && of(node) === text);
  },

  ready: () => drive.until("the panel", () => !document.querySelector("section[aria-busy=true]")),
  idle: () => drive.until("an end", () => !document.querySelector("[aria-busy=true]")),

  // press waits for what the same button, or a button of the same form, has begun.
  async press(name) {
    const idle = node => node && !node.closest("[aria-busy=true]") && node;
    (await drive.until(`button ${name}`, () => idle(drive.among("button, a", name)))).click();
  },

  async control(label) {
    const node = await drive.until(`field ${label}`, () => drive.among("label, legend", label));
    return node.control ?? node.parentElement;
  },

  async fill(label, value) {
    const control = await drive.control(label);
    if (control.type === "checkbox") control.checked = value;
    else control.value = value;
    if (control.value !== value && control.tagName === "SELECT") throw new Error(`${label} has no choice ${value}`);
    control.dispatchEvent(new Event("input", {bubbles: true}));
    control.dispatchEvent(new Event("change", {bubbles: true}));
  },

  // offer adds a choice that the API does not know.
  async offer(label, value) {
    (await drive.control(label)).add(new Option(value, value));
  },

  see: text => drive.until(`text ${text}`, () => document.body.innerText.includes(text)),
  gone: text => drive.until(`no text ${text}`, () => !document.body.innerText.includes(text)),

  // error is what is said at a field that was refused.
  async error(label) {
    const control = await drive.control(label);
    const message = document.getElementById(control.getAttribute("aria-describedby").split(" ").at(-1));
    await drive.until(`error at ${label}`, () => message.textContent);
    if (control.tagName !== "FIELDSET" && control.ariaInvalid !== "true") throw new Error(`${label} is not marked as invalid`);
    if (!control.contains(document.activeElement)) throw new Error(`${label} has no focus`);
    return message.textContent;
  },

  alert: () => drive.until("an alert", () => [...document.querySelectorAll("[role=alert]")].map(node => node.textContent).find(Boolean)),
};
