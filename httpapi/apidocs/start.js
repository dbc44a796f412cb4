// What Swagger UI leaves unsaid to a screen reader, or out of reach of the keyboard.
const names = {
  "#servers": "Server",
  ".examples-select-element": "Example",
  ".content-type": "Media type",
  ".parameters-col_description input, .parameters-col_description select, .parameters-col_description textarea": "Value",
  ".body-param__text": "Body",
  ".close-modal": "Close",
}

function mend(page) {
  for (const [which, name] of Object.entries(names)) {
    for (const field of page.querySelectorAll(which)) {
      const row = field.closest("[data-param-name]")
      field.setAttribute("aria-label", row ? row.dataset.paramName : name)
    }
  }
  // These say something else aloud than what they show.
  for (const button of page.querySelectorAll(".modal-btn")) button.removeAttribute("aria-label")
  for (const box of page.querySelectorAll("pre.microlight")) box.tabIndex = 0
}

// Without validatorUrl: null, the page would show the document to another host.
const page = document.getElementById("page")
new MutationObserver(() => mend(page)).observe(page, {childList: true, subtree: true})
SwaggerUIBundle({
  url: new URL("../?format=json", document.baseURI).href,
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null,
  // Paths and tags are links inside of buttons otherwise, which say and do the same.
  plugins: [({React}) => ({components: {DeepLink: ({text}) => React.createElement("span", null, text)}})],
})
