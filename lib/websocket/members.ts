/** The subscribers of a topic, side by side, in no order that means anything. */
import type { WebSocketConnection } from './connection.js';

export class Members {
  readonly connections: WebSocketConnection[] = [];
  /** Beside each: the id that its frames were last given to the system by, or -1. It may be over; see net/bypasses.ts. */
  readonly ids: number[] = [];
  readonly #places = new Map<WebSocketConnection, number>();

  get size(): number {
    return this.connections.length;
  }

  /** Pre: it is not among them. */
  add(connection: WebSocketConnection): void {
    this.#places.set(connection, this.connections.length);
    this.connections.push(connection);
    this.ids.push(-1);
  }

  /** Pre: it is among them. The last one takes its place. */
  delete(connection: WebSocketConnection): void {
    const place = this.#places.get(connection)!;
    this.#places.delete(connection);
    const last = this.connections.pop()!;
    const id = this.ids.pop()!;
    if (last === connection) return;
    this.connections[place] = last;
    this.ids[place] = id;
    this.#places.set(last, place);
  }
}
