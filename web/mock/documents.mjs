// The documents of the mock: lists in memory, uploads that take a moment, and a search that counts words.
import { randomUUID } from 'node:crypto';

const GAP = Number(process.env.MOCK_GAP_MS ?? 45);
const stamp = () => new Date().toISOString().slice(0, -1);
const entry = (source, document_type, owner, texts) => ({ source, document_type, owner, texts, first_indexed: stamp(), last_indexed: stamp() });

const store = [
  entry('specs_genautox1_2024.md', 'spec', null, [
    '- **Type**: 1.0 TSI Turbo Flex engine\n- **Power**: 128 hp (gasoline) / 116 hp (ethanol)\n- **Torque**: 200 Nm',
    '| Dimension | mm |\n| --- | --- |\n| Length | 4,199 |\n| Width | 1,760 |\n| Height | 1,568 |',
  ]),
  entry('maintenance_guide_genautox1.md', 'manual', null, ['The service is due every **10,000 km** or every 12 months: oil, filter, and a look at the brakes.']),
  entry('faq_genautox1.md', 'faq', null, ['**Q: Can I use premium gasoline?**\nA: Yes, and the engine keeps its power.', '**Q: What happens if I mix gasoline and ethanol?**\nA: No problem, the flex engine adapts.']),
  entry('troubleshooting_guide.md', 'troubleshoot', null, ['A squeal when braking usually means worn pads. Have the brakes checked.']),
];
const uploads = new Map();

/** The text of a form's fields and the file, as far as a mock needs it. */
function parts(raw, type) {
  const boundary = /boundary=(?:"([^"]+)"|([^;]+))/.exec(type);
  const found = { fields: {}, filename: null, text: '' };
  for (const part of raw.toString('latin1').split(`--${boundary?.[1] ?? boundary?.[2]}`)) {
    const [, head, body] = /^\r\n([\s\S]*?)\r\n\r\n([\s\S]*)\r\n$/.exec(part) ?? [];
    const name = /name="([^"]*)"/.exec(head ?? '')?.[1];
    const file = /filename="([^"]*)"/.exec(head ?? '')?.[1];
    if (file !== undefined) Object.assign(found, { filename: Buffer.from(file, 'latin1').toString(), text: Buffer.from(body, 'latin1').toString() });
    else if (name) found.fields[name] = body;
  }
  return found;
}

async function index(state, doc) {
  const pause = () => new Promise((done) => setTimeout(done, GAP * 12));
  await pause();
  if (/broken/.test(state.filename)) return Object.assign(state, { status: 'failed', detail: 'The file is damaged: page 3 cannot be read' });
  Object.assign(state, { status: 'indexing', chunks_total: doc.texts.length });
  while (state.chunks_done < doc.texts.length) {
    await pause();
    state.chunks_done = Math.min(doc.texts.length, state.chunks_done + Math.ceil(doc.texts.length / 4));
  }
  put(doc);
  state.status = 'done';
}

function put(doc) {
  const at = store.findIndex((d) => d.source === doc.source && d.owner === doc.owner);
  if (at >= 0) store.splice(at, 1);
  store.push(doc);
}

export function documents({ route, url, raw, body, user, type, json }) {
  const seen = store.filter((d) => d.owner === null || d.owner === user.id);
  switch (route) {
    case 'GET /api/v1/documents/':
      return json(200, { documents: seen.map(({ texts, owner, ...d }) => ({ ...d, chunk_count: texts.length })) });
    case 'GET /api/v1/documents/stats':
      return json(200, { total_chunks: seen.reduce((n, d) => n + d.texts.length, 0), total_sources: seen.length, total_document_types: new Set(seen.map((d) => d.document_type)).size });
    case 'POST /api/v1/documents/search': {
      const words = (body.query ?? '').toLowerCase().match(/[a-z]{3,}/g) ?? [];
      const results = seen
        .filter((d) => !body.document_type || d.document_type === body.document_type)
        .flatMap((d) => d.texts.map((content, i) => ({ content, source: d.source, metadata: { document_type: d.document_type, chunk_index: i, heading: 'Engine > Figures' }, score: words.filter((w) => content.toLowerCase().includes(w)).length / Math.max(1, words.length) })))
        .filter((r) => r.score >= (body.min_score ?? 0.5))
        .sort((a, b) => b.score - a.score)
        .slice(0, body.top_k ?? 5);
      return json(200, { results, query: body.query, total: results.length });
    }
    case 'POST /api/v1/documents/upload': {
      const { fields, filename, text } = parts(raw, type);
      if (filename === null) return json(422, { detail: [{ loc: ['body', 'file'], msg: 'Field required' }] });
      if (!text) return json(400, { detail: 'Empty file' });
      if (!text.trim()) return json(400, { detail: 'Document appears to be empty' });
      const texts = text.match(/[\s\S]{1,1000}/g);
      const state = { document_id: randomUUID(), filename, status: 'reading', chunks_done: 0, chunks_total: 0, detail: null };
      uploads.set(state.document_id, { owner: user.id, state });
      void index(state, entry(filename, fields.document_type ?? 'manual', user.id, texts));
      return json(202, { document_id: state.document_id, filename, status: 'indexing' });
    }
  }
  const upload = /^GET \/api\/v1\/documents\/uploads\/(.+)$/.exec(route);
  if (upload) {
    const found = uploads.get(upload[1]);
    return found?.owner === user.id ? json(200, found.state) : json(404, { detail: 'Upload not found' });
  }
  const gone = /^DELETE \/api\/v1\/documents\/(.+)$/.exec(route);
  const source = gone && decodeURIComponent(gone[1]);
  const at = store.findIndex((d) => d.source === source && d.owner === user.id);
  if (!gone || at < 0) return json(404, { detail: gone ? 'Document not found' : 'Not Found' });
  const [doc] = store.splice(at, 1);
  return json(200, { message: 'Document deleted', source, chunks_deleted: doc.texts.length });
}
