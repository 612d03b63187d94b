/**
 * Topics: names that connections subscribe to, and that messages are published under.
 *
 * A message is encoded once for all subscribers. One that does not keep up is treated by its own `whenFull`: it misses the
 * message, or is destroyed, and never holds up the others. Connections leave by themselves when they close.
 */
import { checkObject, invalidArgType } from '../arguments.js';
import { type BroadcastCounts, broadcast } from './broadcast.js';
import { WebSocketConnection } from './connection.js';
import { Members } from './members.js';
import { PreparedMessage, prepareMessage } from './prepared-message.js';

export interface PublishOptions {
  /** Does not get the message: mostly whoever sent it. */
  except?: WebSocketConnection;
  /** As for `send`. */
  type?: 'text' | 'binary';
  compress?: boolean;
}

export class Topics {
  readonly #members = new Map<string, Members>();
  readonly #topics = new Map<WebSocketConnection, Set<string>>();
  /** Messages that subscribers have missed because they were over their mark. */
  skipped = 0;

  /** Topics that have subscribers. */
  get names(): IterableIterator<string> {
    return this.#members.keys();
  }

  /** Subscribers of a topic. */
  count(topic: string): number {
    return this.#members.get(topic)?.size ?? 0;
  }

  /** What a connection is subscribed to. */
  of(connection: WebSocketConnection): readonly string[] {
    return [...(this.#topics.get(connection) ?? [])];
  }

  /** @returns false when it is subscribed already, or closed. @throws ERR_INVALID_ARG_TYPE */
  subscribe(connection: WebSocketConnection, topic: string): boolean {
    checkConnection(connection);
    checkTopic(topic);
    if (connection.state === 'closed') return false;
    let topics = this.#topics.get(connection);
    if (topics === undefined) {
      topics = new Set();
      this.#topics.set(connection, topics);
      connection.whenClosed(this.#leave);
    }
    if (topics.has(topic)) return false;
    topics.add(topic);
    let members = this.#members.get(topic);
    if (members === undefined) {
      members = new Members();
      this.#members.set(topic, members);
    }
    members.add(connection);
    return true;
  }

  /** @returns false when it is not subscribed. */
  unsubscribe(connection: WebSocketConnection, topic: string): boolean {
    const topics = this.#topics.get(connection);
    if (topics === undefined || !topics.delete(topic)) return false;
    this.#drop(connection, topic);
    return true;
  }

  #drop(connection: WebSocketConnection, topic: string): void {
    const members = this.#members.get(topic)!;
    members.delete(connection);
    if (members.size === 0) this.#members.delete(topic);
  }

  readonly #leave = (connection: WebSocketConnection): void => {
    const topics = this.#topics.get(connection);
    this.#topics.delete(connection);
    for (const topic of topics ?? []) this.#drop(connection, topic);
  };

  /**
   * Sends a message to all subscribers of a topic.
   * @returns how many took it, and how many missed it.
   * @throws ERR_INVALID_ARG_TYPE
   * @example
   * topics.publish('news', 'it is noon');
   */
  publish(
    topic: string,
    data: string | Uint8Array | PreparedMessage,
    options: PublishOptions = {},
  ): Readonly<BroadcastCounts> {
    checkTopic(topic);
    checkObject('options', options);
    const members = this.#members.get(topic);
    const message = data instanceof PreparedMessage ? data : prepareMessage(data, options);
    if (members === undefined) return NOBODY;
    const counts = broadcast(message, members, options.except);
    this.skipped += counts.skipped;
    return counts;
  }
}

const NOBODY: Readonly<BroadcastCounts> = { sent: 0, skipped: 0 };

function checkConnection(connection: unknown): void {
  if (!(connection instanceof WebSocketConnection)) {
    throw invalidArgType('connection', 'an instance of WebSocketConnection', connection);
  }
}

function checkTopic(topic: unknown): void {
  if (typeof topic !== 'string') throw invalidArgType('topic', 'of type string', topic);
}
