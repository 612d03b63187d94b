/** What a peer may send, and must not, over memory: every case in both roles, in every way bytes arrive and are read. */
import { webSocketCases } from '../../support/websocket-cases.js';
import { SECTIONS } from './cases/index.js';

for (const [title, cases] of SECTIONS) webSocketCases(`WebSocketConnection, ${title}`, cases);
