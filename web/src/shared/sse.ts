/** One dispatched event of a stream of Server-Sent Events. */
export interface SseEvent {
  id: string | null;
  event: string;
  data: string;
}

/**
 * The parser of the HTML standard's event stream, fed with pieces cut anywhere. EventSource cannot send a bearer token,
 * so the pages read the stream with fetch. Comments (heartbeats) yield nothing.
 */
export class SseParser {
  private buffer = '';
  private data: string[] = [];
  private event = '';
  private id: string | null = null;
  private first = true;
  private afterCr = false;

  feed(chunk: string): SseEvent[] {
    let piece = chunk;
    if (this.first && piece) {
      piece = piece.replace(/^\uFEFF/, '');
      this.first = false;
    }
    // CRLF may be cut in two; the CR already ended the line.
    if (this.afterCr && piece.startsWith('\n')) piece = piece.slice(1);
    if (piece) this.afterCr = piece.endsWith('\r');
    const lines = (this.buffer + piece).split(/\r\n|\n|\r/);
    this.buffer = lines.pop()!;
    const out: SseEvent[] = [];
    for (const line of lines) {
      const done = this.line(line);
      if (done) out.push(done);
    }
    return out;
  }

  private line(line: string): SseEvent | null {
    if (line === '') {
      const done = this.data.length ? { id: this.id, event: this.event || 'message', data: this.data.join('\n') } : null;
      this.data = [];
      this.event = '';
      return done;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.data.push(value);
    else if (field === 'event') this.event = value;
    else if (field === 'id' && !value.includes('\0')) this.id = value;
    return null;
  }
}
