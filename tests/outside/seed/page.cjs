// What the seed's JavaScript example expects of a browser page: one element with id "response". Loaded before the example
// (node --require), so that the example itself runs unchanged.
const response = { textContent: '' };
globalThis.document = { getElementById: (id) => (id === 'response' ? response : null) };
// The example never ends by itself (its socket stays open, as a page's would). The test ends it, and is told what the page shows.
process.on('SIGTERM', () => {
  process.stdout.write(`\nPAGE ${JSON.stringify(response.textContent)}\n`, () => process.exit(0));
});
