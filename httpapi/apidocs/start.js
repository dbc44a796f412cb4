// Without validatorUrl: null, the page would show the document to another host.
SwaggerUIBundle({
  url: new URL("../?format=json", document.baseURI).href,
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null,
})
