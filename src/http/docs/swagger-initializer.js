// Swagger UI makes a link to spdx.org from `license.identifier`, as if it were the name of one license. An
// expression such as "MIT OR Apache-2.0" has no page there.
const licenseWithoutLink = {
  statePlugins: { spec: { wrapSelectors: { selectLicenseUrl: () => () => undefined } } },
};

window.ui = SwaggerUIBundle({
  // Relative, so that the page also works under a prefix that a proxy adds.
  url: "../openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // The list of schemas starts closed: operations show theirs.
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  plugins: [licenseWithoutLink],
});
