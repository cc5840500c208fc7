/** What to say of a text that has more bytes than the server takes; '' where it has not. */
export function tooLong(text: string, most: number): string {
  const bytes = new TextEncoder().encode(text).length;
  return bytes > most ? `Too long: ${bytes} bytes, and ${most} are the most; a letter such as é counts as two.` : '';
}
