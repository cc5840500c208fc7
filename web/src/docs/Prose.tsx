import { Markdown } from '../shared/MarkdownView';

/** What the server says of itself: there, and not in a model's words, an address may begin at this server's root. */
export const atHome = (text: string, origin: string) => text.replaceAll('](/', `](${origin}/`);

export function Prose({ text }: { text: string }) {
  return <Markdown text={atHome(text, location.origin)} />;
}
