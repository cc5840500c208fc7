import { inner, resolve, typeWord, type Api, type Schema } from './openapi';
import { Prose } from './Prose';

/** Levels of shapes within shapes; deeper ones are named only. A shape may hold itself. */
const LEVELS = 4;

function Fields({ api, schema, level }: { api: Api; schema: Schema; level: number }) {
  const required = schema.required ?? [];
  // What must be there comes first, otherwise in the document's order.
  const fields = Object.entries(schema.properties ?? {}).sort(([a], [b]) => Number(required.includes(b)) - Number(required.includes(a)));
  if (fields.length === 0) return <p class="hint">No fields.</p>;
  return (
    <ul class="fields">
      {fields.map(([name, field]) => {
        const shape = level < LEVELS ? inner(api, field) : null;
        return (
          <li key={name}>
            <code class="name">{name}</code>
            <span class="type">{typeWord(api, field)}</span>
            {!required.includes(name) && <span class="quiet">optional</span>}
            {field.default !== undefined && field.default !== null && (
              <span class="quiet">
                default <code>{JSON.stringify(field.default)}</code>
              </span>
            )}
            {field.description && (
              <div class="md about">
                <Prose text={field.description} />
              </div>
            )}
            {shape && <Shape api={api} name={shape.name} schema={shape.schema} level={level + 1} />}
          </li>
        );
      })}
    </ul>
  );
}

function Shape({ api, name, schema, level }: { api: Api; name: string; schema: Schema; level: number }) {
  return (
    <details class="shape">
      <summary>{name}</summary>
      <Body api={api} schema={schema} level={level} />
    </details>
  );
}

/** A variant's own word: the constant that tells it from the others. */
function variantName(schema: Schema, i: number): string {
  const told = Object.values(schema.properties ?? {}).find((p) => typeof p.const === 'string');
  return typeof told?.const === 'string' ? told.const : `variant ${i + 1}`;
}

function Body({ api, schema, level }: { api: Api; schema: Schema; level: number }) {
  const variants = schema.oneOf?.filter((v) => v.properties);
  return (
    <>
      {schema.properties && <Fields api={api} schema={schema} level={level} />}
      {variants && variants.length > 0 && (
        <>
          <p class="hint">{schema.properties ? 'and one of' : 'One of'}</p>
          {variants.map((v, i) => (
            <details key={i} class="shape">
              <summary>
                {variantName(v, i)} {v.description && <span class="quiet">{v.description}</span>}
              </summary>
              <Fields api={api} schema={v} level={level} />
            </details>
          ))}
        </>
      )}
      {!schema.properties && !variants?.length && <p class="hint">{typeWord(api, schema)}</p>}
    </>
  );
}

/** A body's shape, resolved: what has a name is opened on demand. */
export function SchemaView({ api, schema }: { api: Api; schema: Schema }) {
  const { schema: target } = resolve(api, schema);
  const { name } = resolve(api, schema);
  return (
    <div class="schema">
      {(name || target.type === 'array') && (
        <p class="hint">
          <b>{typeWord(api, schema)}</b>
          {target.description ? `: ${target.description.replaceAll('`', '')}` : ''}
        </p>
      )}
      <Body api={api} schema={target} level={0} />
    </div>
  );
}
