/** An OpenAPI document made ready to be shown: pure, so that every reading of it can be tested without a browser. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema | boolean;
  oneOf?: Schema[];
  anyOf?: Schema[];
  additionalProperties?: Schema | boolean;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
}

export interface Parameter {
  in: 'path' | 'query' | 'header';
  name: string;
  required?: boolean;
  schema?: Schema;
  description?: string;
}

export interface Content {
  media: string;
  schema: Schema | null;
  example: unknown;
}

export interface Socket {
  description?: string;
  documentation?: string;
  client?: Schema;
  server?: Schema;
  example?: string[];
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  tag: string;
  summary: string;
  description: string;
  parameters: Parameter[];
  body: Content | null;
  answers: { status: string; description: string; contents: Content[] }[];
  /** Nobody need be signed in. */
  open: boolean;
  socket: Socket | null;
}

export interface Api {
  version: string;
  about: string;
  groups: { name: string; about: string; operations: Operation[] }[];
  schemas: Record<string, Schema>;
}

type Json = Record<string, unknown>;
const object = (v: unknown): Json => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Json) : {});
const list = <T>(v: unknown): T[] => (Array.isArray(v) ? (v as T[]) : []);
const text = (v: unknown): string => (typeof v === 'string' ? v : '');

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

const contents = (of: unknown): Content[] =>
  Object.entries(object(of)).map(([media, c]) => ({ media, schema: (object(c).schema as Schema) ?? null, example: object(c).example }));

export function readApi(document: unknown): Api {
  const doc = object(document);
  const operations: Operation[] = [];
  for (const [path, item] of Object.entries(object(doc.paths))) {
    for (const [method, raw] of Object.entries(object(item))) {
      if (!METHODS.includes(method)) continue;
      const op = object(raw);
      const security = (op.security ?? doc.security) as Json[] | undefined;
      operations.push({
        id: text(op.operationId) || `${method}${path}`,
        method,
        path,
        tag: text(list(op.tags)[0]) || 'Other',
        summary: text(op.summary),
        description: text(op.description),
        parameters: list<Parameter>(op.parameters),
        body: contents(object(op.requestBody).content)[0] ?? null,
        answers: Object.entries(object(op.responses)).map(([status, a]) => ({
          status,
          description: text(object(a).description),
          contents: contents(object(a).content),
        })),
        open: list<Json>(security).length === 0 || list<Json>(security).some((s) => Object.keys(s).length === 0),
        socket: op['x-websocket'] ? (object(op['x-websocket']) as Socket) : null,
      });
    }
  }
  const named = list<Json>(doc.tags).map((t) => ({ name: text(t.name), about: text(t.description) }));
  for (const { tag } of operations) if (!named.some((t) => t.name === tag)) named.push({ name: tag, about: '' });
  const info = object(doc.info);
  return {
    version: text(info.version),
    about: text(info.description),
    groups: named.map((t) => ({ ...t, operations: operations.filter((o) => o.tag === t.name) })).filter((g) => g.operations.length),
    schemas: object(object(doc.components).schemas) as Record<string, Schema>,
  };
}

/** The operations that have every word of a search in their path, summary, method or description. */
export function search(api: Api, words: string): Api['groups'] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (o: Operation) => {
    const all = `${o.method} ${o.path} ${o.summary} ${o.description} ${o.tag}`.toLowerCase();
    return wanted.every((w) => all.includes(w));
  };
  return api.groups.map((g) => ({ ...g, operations: g.operations.filter(fits) })).filter((g) => g.operations.length);
}

export function resolve(api: Api, schema: Schema): { name: string | null; schema: Schema } {
  const name = /^#\/components\/schemas\/(.+)$/.exec(schema.$ref ?? '')?.[1] ?? null;
  return { name, schema: name === null ? schema : (api.schemas[name] ?? {}) };
}

/** A union without its null: what stands there when it is there. */
function present(schema: Schema): { schema: Schema; nullable: boolean } {
  const union = schema.anyOf ?? schema.oneOf;
  const rest = union?.filter((s) => s.type !== 'null');
  if (union && rest && rest.length < union.length && rest.length === 1) return { schema: rest[0]!, nullable: true };
  if (Array.isArray(schema.type) && schema.type.includes('null')) {
    const types = schema.type.filter((t) => t !== 'null');
    return { schema: { ...schema, type: types.length === 1 ? types[0]! : types }, nullable: true };
  }
  return { schema, nullable: false };
}

const SHOWN_FORMATS = ['uuid', 'email', 'password', 'binary', 'date-time'];

/** A type in a few words: "integer, 1 to 20", "list of Passage", "string or null". */
export function typeWord(api: Api, given: Schema | boolean | undefined): string {
  if (given === undefined || typeof given === 'boolean') return 'anything';
  const { schema, nullable } = present(given);
  const or = nullable ? ' or null' : '';
  const { name, schema: target } = resolve(api, schema);
  // A named text or number is what it is; only shapes are worth a name.
  const shape = target.properties ?? target.oneOf ?? target.anyOf;
  if (name !== null && (shape || target.enum)) return name + or;
  if (target.const !== undefined) return JSON.stringify(target.const) + or;
  if (target.enum) return target.enum.map((e) => JSON.stringify(e)).join(' | ') + or;
  const union = target.oneOf ?? target.anyOf;
  if (union) return union.map((s) => typeWord(api, s)).join(' | ') + or;
  const type = Array.isArray(target.type) ? target.type.join(' | ') : target.type;
  if (type === 'array') return `list of ${typeWord(api, target.items)}${or}`;
  if (type === undefined) return `anything${or}`;
  const { minimum: from, maximum: to, minLength, maxLength, format } = target;
  const words = [format && SHOWN_FORMATS.includes(format) ? `${type} (${format})` : type];
  if (from !== undefined && to !== undefined) words.push(`${from} to ${to}`);
  // An unsigned number says "at least 0" by itself; that is no news.
  else if (from !== undefined && from !== 0) words.push(`at least ${from}`);
  else if (to !== undefined) words.push(`at most ${to}`);
  if (maxLength !== undefined) words.push(`${minLength ? `${minLength} to ` : 'at most '}${maxLength} characters`);
  else if (minLength !== undefined && minLength > 1) words.push(`at least ${minLength} characters`);
  return words.join(', ') + or;
}

/** The schema whose fields are worth showing below a field of this type, if any. */
export function inner(api: Api, given: Schema | boolean | undefined): { name: string; schema: Schema } | null {
  if (given === undefined || typeof given === 'boolean') return null;
  const { schema } = present(given);
  if (schema.items) return inner(api, schema.items);
  const { name, schema: target } = resolve(api, schema);
  if (target.type === 'array') return inner(api, target.items);
  return name !== null && (target.properties || target.oneOf) ? { name, schema: target } : null;
}

/** Something of this shape, for a form to begin with. Shapes that hold themselves end at a depth. */
export function exampleOf(api: Api, given: Schema | boolean | undefined, depth = 0): unknown {
  if (given === undefined || typeof given === 'boolean' || depth > 5) return null;
  const { schema, nullable } = present(given);
  const { schema: target } = resolve(api, schema);
  if (target.default !== undefined) return target.default;
  if (nullable) return null;
  if (target.const !== undefined) return target.const;
  if (target.enum) return target.enum[0];
  const union = target.oneOf ?? target.anyOf;
  if (union) return exampleOf(api, union[0], depth + 1);
  switch (Array.isArray(target.type) ? target.type[0] : target.type) {
    case 'object':
      return Object.fromEntries(Object.entries(target.properties ?? {}).map(([k, v]) => [k, exampleOf(api, v, depth + 1)]));
    case 'array':
      return target.items && depth < 4 ? [exampleOf(api, target.items, depth + 1)] : [];
    case 'integer':
    case 'number':
      return target.minimum ?? 0;
    case 'boolean':
      return false;
    case 'string':
      return '';
    default:
      return null;
  }
}
