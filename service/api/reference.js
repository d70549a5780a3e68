"use strict";
// The token that "Authorize" takes stays in this page's memory and is gone with it.
SwaggerUIBundle({
  url: "/v1/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
  showCommonExtensions: true,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  tagsSorter: "alpha",
});
