/**
 * Ports for programs that cannot say which one they took.
 *
 * They lie below those that systems give to whoever asks for any (Linux: from 32768 on, others from 49152 on). Of those,
 * a connection of another process could take one between here and the program's start.
 */
import { once } from 'node:events';
import net from 'node:net';

const FIRST = 20_000;
const END = 32_000;

/** Ports that nobody listens at now, none of them twice. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Map<number, net.Server>();
  while (ports.size < count) {
    const port = FIRST + Math.floor(Math.random() * (END - FIRST));
    const probe = net.createServer();
    try {
      await once(probe.listen(port, '127.0.0.1'), 'listening');
      ports.set(port, probe);
    } catch (error) {
      // Somebody listens there, perhaps a probe of ours.
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
  await Promise.all([...ports.values()].map((probe) => once(probe.close(), 'close')));
  return [...ports.keys()];
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}
