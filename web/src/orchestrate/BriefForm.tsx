/** What is wanted, of whom, and in which way. */
import { useSignal } from '@preact/signals';
import type { Brief, TeamsClient } from './client';
import { readStyle } from './job';

const FRAMEWORKS = [
  ['react', 'React'],
  ['vue', 'Vue'],
  ['svelte', 'Svelte'],
  ['vanilla', 'plain JavaScript'],
] as const;
const EXAMPLE = 'Create a login form with email and password';
const WORKSPACE = [
  ['project_path', 'Path'],
  ['project_name', 'Name'],
  ['framework', 'Framework'],
  ['language', 'Language'],
  ['package_manager', 'Package manager'],
  ['git_branch', 'Git branch'],
  ['git_remote', 'Git remote'],
] as const;

/** The names of what can be asked; providers that are nobody's team are not among them. */
export const teamNames = (client: TeamsClient) => Object.entries(client.models.value ?? {}).filter(([, of]) => of.team).map(([name]) => name);

export function BriefForm({ client }: { client: TeamsClient }) {
  const brief = useSignal(EXAMPLE);
  const framework = useSignal('react');
  const style = useSignal('');
  const without = useSignal<string[]>([]);
  const project = useSignal<Record<string, string>>({});
  const dependencies = useSignal('');
  const wrong = useSignal('');
  const names = teamNames(client);

  const send = () => {
    const { style: preferences, wrong: lines } = readStyle(style.value);
    if (lines.length) {
      wrong.value = `Style preferences: “${lines[0]}” is not “key: value”`;
      return;
    }
    const included = names.filter((name) => !without.value.includes(name));
    if (names.length > 0 && included.length === 0) {
      wrong.value = 'Choose at least one team';
      return;
    }
    wrong.value = '';
    const fields = Object.entries(project.value).filter(([, v]) => v.trim());
    const needs = dependencies.value.split(/[,\n]/).map((d) => d.trim()).filter(Boolean);
    const what: Brief = {
      brief: brief.value,
      target_framework: framework.value,
      ...(Object.keys(preferences).length ? { style_preferences: preferences } : {}),
      ...(without.value.length && included.length < names.length ? { include_teams: included } : {}),
      ...(fields.length || needs.length ? { workspace: { ...Object.fromEntries(fields), ...(needs.length ? { dependencies: needs } : {}) } } : {}),
    };
    void client.send(what);
  };

  return (
    <form
      class="card stack"
      aria-labelledby="brief-title"
      onSubmit={(e) => {
        e.preventDefault();
        send();
      }}
    >
      <h2 id="brief-title">Brief</h2>
      <label>
        What should be built
        <textarea id="brief" rows={3} value={brief.value} onInput={(e) => (brief.value = e.currentTarget.value)} />
      </label>
      <label>
        Framework
        <select id="framework" value={framework.value} onChange={(e) => (framework.value = e.currentTarget.value)}>
          {FRAMEWORKS.map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>
          Style preferences <span class="quiet">(lines like “color: blue”)</span>
        </span>
        <textarea id="style" rows={2} spellcheck={false} value={style.value} onInput={(e) => (style.value = e.currentTarget.value)} />
      </label>
      {names.length > 0 && (
        <fieldset>
          <legend>Teams</legend>
          <div class="row">
            {names.map((name) => (
              <label key={name} class="check">
                <input
                  type="checkbox"
                  name="team"
                  value={name}
                  checked={!without.value.includes(name)}
                  onChange={(e) => (without.value = e.currentTarget.checked ? without.value.filter((n) => n !== name) : [...without.value, name])}
                />{' '}
                {name}
              </label>
            ))}
          </div>
        </fieldset>
      )}
      <details class="fold inner">
        <summary>
          Workspace <span class="quiet">optional, told to the teams</span>
        </summary>
        <div class="stack">
          {WORKSPACE.map(([field, title]) => (
            <label key={field}>
              {title}
              <input
                name={field}
                maxLength={4096}
                spellcheck={false}
                autocomplete="off"
                value={project.value[field] ?? ''}
                onInput={(e) => (project.value = { ...project.value, [field]: e.currentTarget.value })}
              />
            </label>
          ))}
          <label>
            <span>
              Dependencies <span class="quiet">(with commas between them)</span>
            </span>
            <input name="dependencies" spellcheck={false} autocomplete="off" value={dependencies.value} onInput={(e) => (dependencies.value = e.currentTarget.value)} />
          </label>
        </div>
      </details>
      {wrong.value && (
        <p class="wrong" role="alert">
          {wrong.value}
        </p>
      )}
      <div class="row">
        <button id="start" type="submit" class="primary" aria-disabled={client.busy.value || !client.allowed.value}>
          {client.busy.value ? 'Sending…' : 'Give it to the teams'}
        </button>
        {client.allowed.value === false && <span class="hint">Sign in first.</span>}
      </div>
    </form>
  );
}
