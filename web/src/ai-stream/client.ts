import { signal } from '@preact/signals';
import { FrameLog } from '../shared/framelog';
import { asProtocol, chatUrl } from '../shared/socket';
import { onceAFrame } from '../shared/frame';
import { type Input, start, type State, step } from './machine';

/** One socket of `/ws/ai/stream`, by hand: this page never connects by itself. */
export class AiClient {
  readonly view = signal<State>(start());
  readonly log = signal({ entries: [] as FrameLog['entries'], total: 0, paused: false });
  private readonly frames = new FrameLog();
  private state = start();
  private socket: WebSocket | null = null;
  private readonly paint = onceAFrame(() => {
    this.view.value = this.state;
    this.log.value = { entries: this.frames.entries, total: this.frames.total, paused: this.frames.paused };
  });

  happens(input: Input): void {
    this.state = step(this.state, input, Date.now());
    this.paint();
  }

  /** Somebody signed in or out: nothing of who was here stays. */
  signIn(token: string | null): void {
    this.disconnect();
    this.frames.clear();
    this.state = start();
    this.paint();
    if (token) this.connect(token);
  }

  connect(token: string): void {
    this.disconnect();
    if (!token.trim()) return this.happens({ kind: 'problem', text: 'A token is needed: log in, or paste one' });
    this.happens({ kind: 'connecting' });
    const socket = new WebSocket(chatUrl('/ws/ai/stream'), ['headwater.ai-stream.v1', asProtocol(token.trim())]);
    this.socket = socket;
    const mine = (input: Input) => void (this.socket === socket && this.happens(input));
    socket.onopen = () => {
      this.note('connected');
      mine({ kind: 'opened' });
    };
    socket.onmessage = (e: MessageEvent<unknown>) => {
      if (this.socket !== socket || typeof e.data !== 'string') return;
      this.frames.add('in', e.data, Date.now());
      this.happens({ kind: 'frame', text: e.data });
    };
    socket.onclose = (e) => {
      if (this.socket === socket) this.note(`closed with code ${e.code}`);
      mine({ kind: 'closed', code: e.code, reason: e.reason, asked: false });
      if (this.socket === socket) this.socket = null;
    };
  }

  disconnect(): void {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.close();
    this.happens({ kind: 'closed', code: 1005, reason: '', asked: true });
  }

  send(frame: { action: string } & Record<string, unknown>): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return this.happens({ kind: 'problem', text: 'Connect first' });
    const text = JSON.stringify(frame);
    this.socket.send(text);
    this.frames.add('out', text, Date.now());
    this.happens({ kind: 'sent', action: frame.action });
  }

  private note(text: string): void {
    this.frames.add('note', text, Date.now());
  }

  pauseLog(paused: boolean): void {
    this.frames.paused = paused;
    this.paint();
  }

  clearLog(): void {
    this.frames.clear();
    this.paint();
  }
}
